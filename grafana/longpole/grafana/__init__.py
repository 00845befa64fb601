"""Shows traces to Grafana: the HTTP dialects of its stock data sources."""
