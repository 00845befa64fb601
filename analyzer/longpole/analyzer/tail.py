"""What makes slow requests slow: the tail of root durations against the middle, by group.

Slow traces are those from the 95th to the 99th percentile of their root operation, typical ones
those from the 45th to the 55th. Each slow trace is compared with the typical ones of its *own*
root operation, so that a mix of fast and slow operations explains nothing away:

    slow     = mean of x over all slow traces
    typical  = mean over all slow traces of (mean of x over typical traces of the same operation)

Path time of groups adds up to the root duration in every trace, so the differences of all groups
add up to the difference of root durations, as exact fractions.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from longpole.analyzer.path_aggregate import Group
from longpole.analyzer.times_by_trace import Cells, TimesByTrace

# Of fewer traces, the slowest few and the middle ones say nothing about each other.
LEAST_TRACES = 10
SLOW_PERCENT, TYPICAL_PERCENT = (95, 99), (45, 55)


@dataclass(frozen=True, slots=True)
class Compared:
    """Mean path time in nanoseconds, in typical and in slow traces."""

    typical_ns: Fraction = Fraction(0)
    slow_ns: Fraction = Fraction(0)

    @property
    def difference_ns(self) -> Fraction:
        """How much more of it slow traces have."""
        return self.slow_ns - self.typical_ns


@dataclass(frozen=True, slots=True)
class Tail:
    """The comparison of root durations and of every group that slow or typical traces have.
    `left_out` counts traces of root operations with fewer than `LEAST_TRACES`."""

    slow_count: int
    typical_count: int
    left_out: int
    roots: Compared
    groups: dict[Group, Compared] = field(default_factory=dict)


def tail_of(times: TimesByTrace, least_traces: int = LEAST_TRACES) -> Tail:
    """Compare slow with typical traces. Equal durations are told apart by trace id, so the
    order in which traces were added does not matter."""
    operations: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, root in enumerate(times.roots):
        operations[root].append(place)
    left_out = 0
    slow: list[list[int]] = []
    typical: list[list[int]] = []
    for places in operations.values():
        if len(places) < max(least_traces, 3):  # of two, the middle and the slowest are one
            left_out += len(places)
            continue
        places.sort(key=lambda place: (times.durations_ns[place], times.trace_ids[place]))
        slow.append(_between(places, *SLOW_PERCENT))
        typical.append(_between(places, *TYPICAL_PERCENT))
    slow_count = sum(map(len, slow))
    comparison = _Comparison(len(times.trace_ids), slow, typical)
    durations = Cells()
    durations.places.extend(range(len(times.durations_ns)))
    durations.critical_ns.extend(times.durations_ns)
    roots = comparison.of(durations) or Compared()
    groups = {group: comparison.of(cells) for group, cells in times.groups.items()}
    return Tail(
        slow_count,
        sum(map(len, typical)),
        left_out,
        roots,
        {group: compared for group, compared in groups.items() if compared is not None},
    )


def _between(ordered: list[int], low: int, high: int) -> list[int]:
    """From one nearest-rank percentile to another, both included."""
    count = len(ordered)
    return ordered[-(-count * low // 100) - 1 : -(-count * high // 100)]


class _Comparison:
    """Which traces are slow or typical, and what each counts."""

    def __init__(self, count: int, slow: list[list[int]], typical: list[list[int]]) -> None:
        # By place: twice the number of the operation, plus one where the trace is slow.
        self._band = np.full(count, -1, np.int64)
        self._weights: list[Fraction] = []
        slow_count = sum(map(len, slow))
        for number, (slowest, middle) in enumerate(zip(slow, typical, strict=True)):
            self._band[middle] = 2 * number
            self._band[slowest] = 2 * number + 1
            self._weights.append(Fraction(len(slowest), slow_count * len(middle)))
            self._weights.append(Fraction(1, slow_count))

    def of(self, cells: Cells) -> Compared | None:
        """The two means of one group; None if no slow or typical trace has it."""
        band = self._band[np.frombuffer(cells.places, np.int64)] if cells.places else self._band[:0]
        rows = np.flatnonzero(band >= 0)
        if not rows.size:
            return None
        sums: dict[int, int] = defaultdict(int)  # Python's integers do not overflow
        times = np.frombuffer(cells.critical_ns, np.int64)[rows]
        for which, critical_ns in zip(band[rows].tolist(), times.tolist(), strict=True):
            sums[which] += critical_ns
        means = [Fraction(0), Fraction(0)]
        for which, total in sums.items():
            means[which % 2] += total * self._weights[which]
        return Compared(*means)
