"""The registry: who runs where, feature flags, and which faults are on."""
