"""Clocks: which hosts' clocks are off, estimated over many traces, and spans put right by it."""
