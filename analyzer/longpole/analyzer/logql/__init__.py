"""LogQL as Grafana writes it: streams, filters, labels from lines, and counts over time."""
