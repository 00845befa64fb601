"""`histogram_…` functions of instant vectors, over classic and native histograms alike.

Rules are Prometheus' (promql/functions.go, 3.5). A classic histogram is rows equal but for their
label `le`; where it and a native one have the same labels, neither says anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from longpole.analyzer.promql.expressions import Expression
from longpole.analyzer.promql.histogram_values import OF_HISTOGRAM, fraction, quantile
from longpole.analyzer.promql.histograms import Histogram
from longpole.analyzer.promql.notes import Notes
from longpole.analyzer.promql.quantiles import of_buckets, share_between
from longpole.analyzer.promql.series import Booleans, Floats, Labels
from longpole.analyzer.promql.vectors import Vector, nameless, stacked

# A row of cumulative counts for each bound, at chosen steps; and of one histogram at one step.
_OfBuckets = Callable[[Labels, Floats, Floats, Booleans], Floats]
_OfNative = Callable[[Histogram, int], float]


def histogram_value(name: str, vector: Vector) -> Vector:
    """A number that native histograms say of themselves; there are none for floats."""
    return nameless(_of_native(vector, lambda held, _: OF_HISTOGRAM[name](held)))


def histogram_quantile(vector: Vector, q: Floats, notes: Notes, about: Expression) -> Vector:
    """The q-quantile of each histogram."""

    def of_classic(labels: Labels, bounds: Floats, counts: Floats, at: Booleans) -> Floats:
        found, is_forced = of_buckets(bounds, counts, q[at])
        if is_forced:
            notes.forced_monotonicity(labels, about)
        return found

    return _of_both(
        vector, of_classic, lambda held, step: quantile(held, float(q[step])), notes, about
    )


def histogram_fraction(
    vector: Vector, low: Floats, high: Floats, notes: Notes, about: Expression
) -> Vector:
    """The share of observations between two values."""
    return _of_both(
        vector,
        lambda labels, bounds, counts, at: share_between(bounds, counts, low[at], high[at]),
        lambda held, step: fraction(held, float(low[step]), float(high[step])),
        notes,
        about,
    )


def _of_both(
    vector: Vector, of_classic: _OfBuckets, of_native: _OfNative, notes: Notes, about: Expression
) -> Vector:
    if vector.histograms is None:
        return nameless(_of_classic(vector, of_classic, notes, about, {}))
    native = _of_native(vector, of_native)
    held = dict(zip(native.labels, native.present, strict=True))
    classic = _of_classic(vector.floats(), of_classic, notes, about, held)
    return nameless(stacked([native.shown(), classic.shown()], vector.values.shape[1]))


def _of_native(vector: Vector, work: _OfNative) -> Vector:
    present = vector.held_histograms()
    values = np.full(present.shape, np.nan)
    if vector.histograms is not None:
        for row, column in np.argwhere(present).tolist():
            values[row, column] = work(vector.histograms[row, column], column)
    return Vector(vector.labels, values, present).shown()


def _of_classic(
    vector: Vector,
    work: _OfBuckets,
    notes: Notes,
    about: Expression,
    native: dict[Labels, Booleans],
) -> Vector:
    """`native` is where native histograms are; it loses what classic ones stand beside."""
    groups: dict[Labels, list[tuple[float, int]]] = {}
    for row, labels in enumerate(vector.labels):
        bound = _bound(next((value for name, value in labels if name == "le"), ""))
        if bound is not None:
            rest = tuple(pair for pair in labels if pair[0] != "le")
            groups.setdefault(rest, []).append((bound, row))
        elif vector.present[row].any():
            notes.bad_bucket(labels, about)
    steps = vector.values.shape[1]
    values = np.full((len(groups), steps), np.nan)
    present = np.zeros((len(groups), steps), bool)
    for place, (labels, held) in enumerate(groups.items()):
        rows = [row for _, row in held]
        here = vector.present[rows]
        if labels in native and (both := native[labels] & here.any(axis=0)).any():
            notes.mixed_kinds(labels, about)
            native[labels] &= ~both
            here = here & ~both
        present[place] = here.any(axis=0)
        # Mostly all buckets are there at all steps; each other pattern is worked out apart.
        if bool(here.all()):
            patterns, which = here[:, :1], np.zeros(steps, np.int64)
        else:
            patterns, which = np.unique(here, axis=1, return_inverse=True)
        for index in range(patterns.shape[1]):
            chosen = np.flatnonzero(patterns[:, index])
            if chosen.size:
                at = np.ravel(which) == index
                bounds, counts = _buckets([held[i] for i in chosen], vector.values[:, at])
                values[place, at] = work(labels, bounds, counts, at)
    return Vector(tuple(groups), values, present)


def _bound(text: str) -> float | None:
    try:
        return float(text.replace("_", "x"))
    except ValueError:
        return None


def _buckets(held: Sequence[tuple[float, int]], values: Floats) -> tuple[Floats, Floats]:
    """Bounds, each once, and their counts; `le="1"` and `le="1.0"` are one bucket."""
    ordered = sorted(held)
    bounds = np.array([bound for bound, _ in ordered])
    counts = values[[row for _, row in ordered]]
    distinct, starts = np.unique(bounds, return_index=True)
    return distinct, np.add.reduceat(counts, starts, axis=0)
