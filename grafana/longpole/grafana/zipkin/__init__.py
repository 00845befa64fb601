"""Answers as Zipkin's API does, for its Grafana data source."""
