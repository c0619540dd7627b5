"""Importing from files: read, map, convert, record chunk by chunk, resumable and idempotent."""
