"""The append-only journal: what it returned a sequence number for is on disk."""
