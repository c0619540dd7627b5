"""Spaces: reading, writing and what they hold."""
