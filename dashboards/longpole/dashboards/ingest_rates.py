"""What the server's own metrics say of the data that comes in: totals, and rates over the last
minute.

Nothing samples in the background: each look at the status leaves a sample, and the rate is taken
against the oldest one of the last minute, or against the start of the process.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from longpole.dashboards.recent_answers import Timed

# (metric without its prefix, label values in the order of their names)
Counts = Mapping[tuple[str, tuple[str, ...]], float]

SIGNALS = {"traces": "Spans", "logs": "Log records", "metrics": "Metric points"}
_PREFIX = "longpole_"
_SPAN_NS = 60 * 10**9
_SHORTEST_NS = 10**9


@dataclass(frozen=True, slots=True)
class Flow:
    """One signal: how many of its records came in since the start of the server, by outcome, and
    how many were accepted a second lately (None before there are two looks at it)."""

    signal: str
    label: str
    accepted: int
    repeated: int
    rejected: int
    per_second: float | None


def counts_of(metrics: bytes) -> Counts:
    """Our own counters and gauges of a text of `/metrics`; empty for no text."""
    found: dict[tuple[str, tuple[str, ...]], float] = {}
    for family in text_string_to_metric_families(metrics.decode("utf-8", "replace")):
        for sample in family.samples:
            if sample.name.startswith((_PREFIX, "process_")):
                labels = tuple(sample.labels[name] for name in sorted(sample.labels))
                found[sample.name.removeprefix(_PREFIX), labels] = sample.value
    return found


class IngestRates:
    """Remembers looks at the counters; safe to use from any thread."""

    def __init__(self, timed: Timed) -> None:
        self._timed = timed
        self._lock = threading.Lock()
        self._looks: deque[tuple[int, Counts]] = deque()

    def flows(self, counts: Counts) -> list[Flow]:
        """The three signals, with rates against the looks before this one."""
        now = self._timed.clock.monotonic_ns()
        with self._lock:
            while self._looks and now - self._looks[0][0] > _SPAN_NS:
                self._looks.popleft()
            before = self._looks[0] if self._looks else None
            self._looks.append((now, counts))
        flows = []
        for signal, label in SIGNALS.items():
            accepted, repeated, rejected = (
                int(counts.get(("collector_records_total", (outcome, signal)), 0))
                for outcome in ("accepted", "repeated", "rejected")
            )
            rate = None
            if before is not None and now - before[0] >= _SHORTEST_NS:
                was = before[1].get(("collector_records_total", ("accepted", signal)), 0)
                rate = max(0.0, accepted - was) / ((now - before[0]) / 1e9)
            flows.append(Flow(signal, label, accepted, repeated, rejected, rate))
        return flows


def by_reason(counts: Counts, name: str, place: int) -> dict[str, int]:
    """The sums of a counter by one of its labels (its place among the sorted names), those above
    nothing, most first."""
    sums: dict[str, int] = {}
    for (metric, labels), value in counts.items():
        if metric == name and value:
            sums[labels[place]] = sums.get(labels[place], 0) + int(value)
    return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))
