"""Mailings, their recipients, links and numbers."""
