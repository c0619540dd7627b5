"""Channels, audiences, and campaigns on channels: ``types``, ``queries``, ``mutations``."""
