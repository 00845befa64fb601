"""Shows what was found to people: the JSON API under /api/v1 and the pages."""
