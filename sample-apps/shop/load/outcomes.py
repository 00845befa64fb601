"""Outcomes: what became of requests and journeys, counted, with the latency of each kind."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

# Latencies kept for each kind; from then on every second, fourth, … one, so that a load that
# runs for days stays small and its percentiles still cover all of its time.
MOST_KEPT = 4096


class Latencies:
    """An even sample of seconds, and the exact count and maximum."""

    def __init__(self) -> None:
        self.count = 0
        self.longest = 0.0
        self._kept: list[float] = []
        self._every = 1

    def add(self, seconds: float) -> None:
        """Note one."""
        if self.count % self._every == 0:
            if len(self._kept) == MOST_KEPT:
                self._kept = self._kept[::2]
                self._every *= 2
            if self.count % self._every == 0:
                self._kept.append(seconds)
        self.count += 1
        self.longest = max(self.longest, seconds)

    def document(self) -> dict[str, float | int]:
        """`count` and milliseconds: `p50_ms`, `p95_ms`, `p99_ms` (nearest rank), `max_ms`."""
        ordered = sorted(self._kept)
        shown: dict[str, float | int] = {"count": self.count}
        for percent in (50, 95, 99):
            shown[f"p{percent}_ms"] = round(nearest_rank(ordered, percent) * 1000, 1)
        shown["max_ms"] = round(self.longest * 1000, 1)
        return shown


def nearest_rank(ordered: Sequence[float], percent: int) -> float:
    """The smallest value that `percent` of the values do not exceed; 0 of nothing."""
    if not ordered:
        return 0.0
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


class Outcomes:
    """The books of one load run. Not for several threads."""

    def __init__(self) -> None:
        self.arrived = 0
        self.dropped = 0
        self.most_in_flight = 0
        self.journeys: dict[str, Latencies] = {}
        self.journey_outcomes: Counter[str] = Counter()
        self.requests: dict[str, Latencies] = {}
        self.answers: Counter[str] = Counter()

    def request(self, name: str, answer: str, seconds: float) -> None:
        """`name` as `GET /api/v1/orders/{order_id}`, `answer` a status or the kind of failure."""
        self.requests.setdefault(name, Latencies()).add(seconds)
        self.answers[f"{name} {answer}"] += 1

    def journey(self, name: str, outcome: str, seconds: float) -> None:
        """A journey that ended."""
        self.journeys.setdefault(name, Latencies()).add(seconds)
        self.journey_outcomes[f"{name} {outcome}"] += 1

    def document(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {
            "arrived": self.arrived,
            "dropped": self.dropped,
            "most_in_flight": self.most_in_flight,
            "journeys": {name: self.journeys[name].document() for name in sorted(self.journeys)},
            "journey_outcomes": dict(sorted(self.journey_outcomes.items())),
            "requests": {name: self.requests[name].document() for name in sorted(self.requests)},
            "answers": dict(sorted(self.answers.items())),
        }
