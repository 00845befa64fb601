"""Keeps telemetry and finds it again; `ports.py` states what every engine promises."""
