"""Mailings: their recipients, links and numbers, and how they are sent."""
