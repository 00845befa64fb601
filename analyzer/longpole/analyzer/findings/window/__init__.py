"""Findings of a window: what only many traces, or their logs, can show."""
