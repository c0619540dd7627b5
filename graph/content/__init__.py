"""Content items and their posts: ``types``, their ``numbers``, ``queries``, ``mutations``."""
