"""Interactions: ``types``, ``kinds``, ``queries``, and ``mutations`` that record them."""
