"""Explains traces: tree repair, critical path, verdicts, settling."""
