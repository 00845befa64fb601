"""What Grafana's Tempo data source asks: traces, search, tags and TraceQL metrics."""
