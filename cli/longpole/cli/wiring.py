"""Puts the house together: the only place that picks a store."""
