"""Searching: a sample of matching traces, and what a page says about it."""
