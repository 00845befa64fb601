"""PromQL over columns: text to a checked expression, and its value at every step at once."""
