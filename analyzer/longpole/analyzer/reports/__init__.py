"""Reports as plain values: what the CLI prints, the API returns and the pages render."""
