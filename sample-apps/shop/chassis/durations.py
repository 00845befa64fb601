"""Durations: how long calls took, as histograms in seconds that can be read."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.metrics import Histogram, Meter

# As the semantic conventions advise for HTTP and RPC. Without advice a histogram is divided for
# milliseconds, and every call of the shop falls into its first part.
BOUNDARIES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
# And for databases, which answer sooner.
DATABASE_BOUNDARIES = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)


def seconds_histogram(
    meter: Meter, name: str, description: str, boundaries: Sequence[float] = BOUNDARIES
) -> Histogram:
    """A histogram of seconds, from milliseconds to ten seconds."""
    return meter.create_histogram(
        name, "s", description, explicit_bucket_boundaries_advisory=boundaries
    )
