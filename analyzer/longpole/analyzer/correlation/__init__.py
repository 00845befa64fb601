"""Correlation: what logs, metrics and history say about a place where time went."""
