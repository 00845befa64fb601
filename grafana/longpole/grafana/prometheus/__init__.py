"""Answers as Prometheus' HTTP API does, for its stock Grafana data source and for scripts."""
