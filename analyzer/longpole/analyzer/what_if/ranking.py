"""Ranking: how much every operation could take off the traces, by retiming and not by its share.

Only time of its own on the critical path can give a gain, so only such pairs of trace and
operation are timed again; every other gain is exactly zero. A gain counts what takes its place:
a sibling that was hidden behind the operation holds the trace up once the operation is faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from longpole.analyzer.columnar.retiming import PARTS
from longpole.analyzer.what_if.edits import no_edits
from longpole.analyzer.what_if.loops import Loops
from longpole.analyzer.what_if.prediction import Spread, spread
from longpole.analyzer.what_if.timelines import Operation, Timelines

Ints: TypeAlias = npt.NDArray[np.int64]

# By how much each operation is made faster, in percent of its own time.
LEVELS = (10, 50, 100)
RANKED_LEVEL = 50
# Percentiles are worked out for so many operations that could save most time at all.
MOST_OPERATIONS = 100


@dataclass(frozen=True, slots=True)
class RootGain:
    """What one operation could do for one root operation: its spread as it is (`observed`) and
    at each of `LEVELS`. `affected` of the `traces` would be shorter at the last level."""

    root: Operation
    traces: int
    affected: int
    observed: Spread
    predicted: tuple[Spread, ...]


@dataclass(frozen=True, slots=True)
class Gain:
    """What one operation could do: `saved_ns` over all traces at each of `LEVELS`, and for each
    root operation, the one that gains most first. `score` is the gain in p95 at `RANKED_LEVEL`,
    weighted with the traces of each root operation."""

    operation: Operation
    affected: int
    saved_ns: tuple[int, ...]
    score: float
    roots: tuple[RootGain, ...]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Operations by score, then by time saved; `left_out` more could save time, but less."""

    gains: tuple[Gain, ...]
    left_out: int


def rank(lines: Timelines, loops: Loops) -> Ranking:
    """The gain of every operation that could save any time."""
    pair_traces, pair_operations = _pairs(lines)
    if not pair_traces.size:
        return Ranking((), 0)
    edits = no_edits(lines).columns(lines)
    saved: list[Ints] = []
    for level in LEVELS:
        parts = np.full(pair_traces.size, PARTS - level * (PARTS // 100), np.int64)
        roots = loops.retime((pair_traces, pair_operations, parts), edits).roots
        saved.append(lines.root_lengths[pair_traces] - roots)
    by_operation = np.argsort(pair_operations, kind="stable")
    found = []
    codes, begins = np.unique(pair_operations[by_operation], return_index=True)
    ends = np.append(begins[1:], by_operation.size)
    for code, begin, end in zip(codes.tolist(), begins.tolist(), ends.tolist(), strict=True):
        places = by_operation[begin:end]
        total = sum(saved[-1][places].tolist())
        if total > 0:
            found.append((total, lines.operation_names[code], places))
    found.sort(key=lambda row: (-row[0], row[1]))
    observed = _Observed(lines)
    gains = [
        _gain(lines, observed, name, pair_traces[places], [gain[places] for gain in saved])
        for _, name, places in found[:MOST_OPERATIONS]
    ]
    gains.sort(key=lambda gain: (-gain.score, -gain.saved_ns[-1], gain.operation))
    return Ranking(tuple(gains), max(0, len(found) - MOST_OPERATIONS))


def _pairs(lines: Timelines) -> tuple[Ints, Ints]:
    """Every trace with every operation that holds time of its own on its path."""
    holds = np.flatnonzero((lines.is_on_path > 0) & (lines.own > 0))
    many = max(1, len(lines.operation_names))
    pairs = np.unique(lines.traces[holds] * many + lines.operations[holds])
    return pairs // many, pairs % many


class _Observed:
    """The durations of each root operation as they are, and where each trace stands in them."""

    def __init__(self, lines: Timelines) -> None:
        self.names = lines.operation_names
        self.root_of = lines.root_operations
        self.lengths: dict[int, Ints] = {}
        self.spreads: dict[int, Spread] = {}
        self.place = np.zeros(len(lines.trace_ids), np.int64)
        for code in np.unique(self.root_of).tolist():
            chosen = np.flatnonzero(self.root_of == code)
            self.place[chosen] = np.arange(chosen.size)
            self.lengths[code] = lines.root_lengths[chosen]
            self.spreads[code] = spread(self.lengths[code])


def _gain(
    lines: Timelines,
    observed: _Observed,
    name: Operation,
    traces: Ints,
    saved: Sequence[Ints],
) -> Gain:
    roots = []
    for code in np.unique(observed.root_of[traces]).tolist():
        here = observed.root_of[traces] == code
        if not saved[-1][here].any():
            continue
        predicted = []
        for gain in saved:
            lengths = observed.lengths[code].copy()
            lengths[observed.place[traces[here]]] -= gain[here]
            predicted.append(spread(lengths))
        roots.append(
            RootGain(
                observed.names[code],
                observed.lengths[code].size,
                int((saved[-1][here] > 0).sum()),
                observed.spreads[code],
                tuple(predicted),
            )
        )
    ranked = LEVELS.index(RANKED_LEVEL)

    def weight(root: RootGain) -> int:
        return root.traces * (root.observed.p95_ns - root.predicted[ranked].p95_ns)

    def total(root: RootGain) -> int:
        return root.traces * (root.observed.mean_ns - root.predicted[-1].mean_ns)

    roots.sort(key=lambda root: (-weight(root), -total(root), root.root))
    return Gain(
        name,
        int((saved[-1] > 0).sum()),
        tuple(sum(gain.tolist()) for gain in saved),
        sum(weight(root) for root in roots) / max(1, len(lines.trace_ids)),
        tuple(roots),
    )
