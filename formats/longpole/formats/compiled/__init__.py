"""OTLP bytes to columns in compiled loops; the reference decoder decides whatever is unusual."""
