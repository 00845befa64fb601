"""Prometheus alert rules: reading them, evaluating them, and what fires."""
