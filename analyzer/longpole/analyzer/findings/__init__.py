"""Findings: detectors, each with a rule, thresholds, evidence, a saving and an action."""
