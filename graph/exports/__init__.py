"""Exports: a campaign's facts in files."""
