"""What changed between two samples of traces: exact terms, tests of noise, attributes, gates."""
