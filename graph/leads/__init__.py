"""Leads: people who can be mailed."""
