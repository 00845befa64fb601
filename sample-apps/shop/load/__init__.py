"""Load: user journeys at an open-loop rate."""
