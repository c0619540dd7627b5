"""Exports: ``asking`` starts and cancels them, ``reading`` finds them and their files, ``working`` is what a worker does."""
