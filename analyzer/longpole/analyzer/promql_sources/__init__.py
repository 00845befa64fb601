"""Where series for PromQL come from: stored metric points, and rows derived from spans."""
