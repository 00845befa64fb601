"""A microservice shop: built well, and failing on request."""
