"""Followers: ``types``, ``queries``, their interactions, and ``recounts`` of their scores."""
