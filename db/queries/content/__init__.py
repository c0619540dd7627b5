"""Content: ``reading`` items and posts, ``writing`` them, their ``numbers``."""
