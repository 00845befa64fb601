"""Takes OTLP in: transports, admission, refusals, hand-over to the journal."""
