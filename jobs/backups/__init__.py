"""Backups: one file with all that a database and its object store hold, and the way back."""
