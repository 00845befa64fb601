"""Turns JSON documents into text for a terminal."""
