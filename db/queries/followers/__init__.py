"""Followers: ``reading`` and lists of them, ``ranks``, ``cohorts``, and ``recounting`` their scores."""
