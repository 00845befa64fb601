"""Makes telemetry at a rate, sends it over OTLP, and checks what became of it."""
