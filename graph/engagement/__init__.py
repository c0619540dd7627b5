"""Engagement: ``types`` and their ``kinds``, ``engagers``, and ``mutations``."""
