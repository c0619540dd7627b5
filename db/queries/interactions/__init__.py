"""Interactions: ``recording`` and ``reading`` them."""
