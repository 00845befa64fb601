"""Telemetry bytes to columns and back, as pure functions."""
