"""Faults: the catalogue of what can be broken, and the labels that say when it was."""
