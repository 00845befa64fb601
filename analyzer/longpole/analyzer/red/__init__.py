"""Rate, errors and durations of services and operations over time."""
