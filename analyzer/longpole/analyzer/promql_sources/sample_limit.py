"""The refusal of a query that reads too many samples."""

from __future__ import annotations

from longpole.analyzer.promql.refusals import TooMuch


def too_much(most_samples: int) -> TooMuch:
    """A query that reads more samples than it may."""
    return TooMuch(
        "query processing would load too many samples into memory in query execution: more than"
        f" {most_samples:,}. Ask for fewer series or a shorter time"
    )
