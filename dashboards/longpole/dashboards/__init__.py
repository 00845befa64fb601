"""Shows traces to people: the web pages and the JSON API under `/api/v1`."""
