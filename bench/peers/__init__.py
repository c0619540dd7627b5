"""Groundswell beside its peers: the same database, the same answers, in one interleaved run."""
