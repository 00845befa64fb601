"""Starts the house: settings, wiring, commands, terminal rendering."""
