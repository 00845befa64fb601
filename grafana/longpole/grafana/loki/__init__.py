"""What Grafana's Loki data source asks: lines, counts, labels, and the way from traces to logs."""
