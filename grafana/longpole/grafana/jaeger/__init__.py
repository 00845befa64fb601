"""Answers as Jaeger's query service does, for its Grafana data source and for Jaeger's own UI."""
