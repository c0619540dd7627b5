"""Campaigns: ``types`` and what hangs on them, ``metrics``, ``queries`` and ``mutations``."""
