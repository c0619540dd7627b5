"""Leads: ``writing`` and ``reading`` them."""
