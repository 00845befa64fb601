"""Predictions: how long traces take under changes, and what that does to their percentiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from longpole.analyzer.what_if.changes import Change
from longpole.analyzer.what_if.edits import Edits, Reach, edits_of
from longpole.analyzer.what_if.loops import Loops
from longpole.analyzer.what_if.timelines import Operation, Timelines

Ints: TypeAlias = npt.NDArray[np.int64]
PERCENTS = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean (rounded down), nearest-rank percentiles and maximum of durations in nanoseconds."""

    mean_ns: int
    p50_ns: int
    p95_ns: int
    p99_ns: int
    max_ns: int


@dataclass(frozen=True, slots=True)
class RootOutcome:
    """One root operation as it was and as it would be; `affected` of its `traces` change."""

    root: Operation
    traces: int
    affected: int
    observed: Spread
    predicted: Spread


@dataclass(frozen=True, slots=True)
class Prediction:
    """Outcomes, most time saved or lost first, and what each change reaches."""

    outcomes: list[RootOutcome]
    reaches: list[Reach]


def spread(lengths: Ints) -> Spread:
    """The spread of at least one duration."""
    ordered = np.sort(lengths).tolist()
    count = len(ordered)
    middle, high, highest = (ordered[-(-count * percent // 100) - 1] for percent in PERCENTS)
    # Python's integers: the sum of long durations may need more than 64 bits.
    return Spread(sum(ordered) // count, middle, high, highest, ordered[-1])


def retimed_roots(lines: Timelines, edits: Edits, loops: Loops) -> Ints:
    """How long each trace takes under these edits."""
    every = np.arange(len(lines.trace_ids))
    none = np.full(every.size, -1, np.int64)
    return loops.retime((every, none, none), edits.columns(lines)).roots


def predict(lines: Timelines, changes: Sequence[Change], loops: Loops) -> Prediction:
    """What these changes together do to every root operation."""
    edits, reaches = edits_of(lines, changes)
    observed = lines.root_lengths
    predicted = retimed_roots(lines, edits, loops)
    outcomes = []
    for code in np.unique(lines.root_operations).tolist():
        chosen = lines.root_operations == code
        before, after = observed[chosen], predicted[chosen]
        outcomes.append(
            RootOutcome(
                lines.operation_names[code],
                before.size,
                int((before != after).sum()),
                spread(before),
                spread(after),
            )
        )
    outcomes.sort(
        key=lambda o: (
            -o.traces * abs(o.observed.mean_ns - o.predicted.mean_ns), -o.traces, o.root
        )
    )  # fmt: skip
    return Prediction(outcomes, reaches)
