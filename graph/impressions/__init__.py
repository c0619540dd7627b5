"""Impressions: ``types``, ``filters``, and ``mutations`` that record them and what became of them."""
