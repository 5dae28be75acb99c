"""Trackers whose answer is known: oracles, one that never moves, and plain Python functions."""
