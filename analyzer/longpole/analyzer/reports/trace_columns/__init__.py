"""A whole trace as arrays: what the trace page draws, without an object for each span."""
