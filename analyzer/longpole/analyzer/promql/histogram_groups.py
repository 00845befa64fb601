"""Aggregations over vectors in which there are native histograms.

Rules are Prometheus' (promql/engine.go, aggregation, 3.5): sum and avg add histograms up, and leave
out a group that has floats too; count and group take every sample; all else is about numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from longpole.analyzer.promql import aggregations
from longpole.analyzer.promql.budget import Budget
from longpole.analyzer.promql.expressions import Aggregation
from longpole.analyzer.promql.histogram_values import text
from longpole.analyzer.promql.histograms import Histogram, combined, mean
from longpole.analyzer.promql.notes import Notes
from longpole.analyzer.promql.series import Floats, Labels, labels_of
from longpole.analyzer.promql.vectors import Vector, joined, stacked


def aggregated(
    node: Aggregation,
    vector: Vector,
    key: Callable[[Labels], Labels],
    parameter: Floats | None,
    notes: Notes,
    budget: Budget,
) -> Vector:
    """As `aggregations.aggregated`."""
    op = node.op
    if op in ("count", "group"):
        return aggregations.aggregated(op, vector.with_values(vector.values), key, parameter)
    if op in ("sum", "avg"):
        return _added(op, vector, key, notes, node, budget)
    if vector.held_histograms().any():
        notes.ignored_in_group(op, node if op in ("topk", "bottomk") else node.inner)
    return aggregations.aggregated(op, vector.floats().shown(), key, parameter)


def _added(
    op: str,
    vector: Vector,
    key: Callable[[Labels], Labels],
    notes: Notes,
    node: Aggregation,
    budget: Budget,
) -> Vector:
    floats = vector.floats()
    result = aggregations.aggregated(op, floats, key, None)
    groups: dict[Labels, list[int]] = {}
    for row, labels in enumerate(vector.labels):
        groups.setdefault(key(labels), []).append(row)
    held = vector.held_histograms()
    assert vector.histograms is not None
    assert tuple(groups) == result.labels
    found = np.full(result.values.shape, None, object)
    present = result.present.copy()
    for place, rows in enumerate(groups.values()):
        for column in np.flatnonzero(held[rows].any(axis=0)).tolist():
            if present[place, column]:
                notes.mixed_group(node.inner)
                present[place, column] = False
                continue
            cells = vector.histograms[rows, column][held[rows, column]]
            chosen: list[Histogram] = cells.tolist()
            budget.spend(sum(one.size for one in chosen))
            total = combined([(1.0, one) for one in chosen]) if op == "sum" else mean(chosen)
            budget.make_histogram(total.size)
            found[place, column], present[place, column] = total, True
    return Vector(result.labels, result.values, present, found)


def counted_values(
    vector: Vector,
    key: Callable[[Labels], Labels],
    label: str,
    bounded: Callable[[int, int], None],
) -> Vector:
    """`count_values` with histograms written out as values."""
    held, steps = vector.held_histograms(), vector.values.shape[1]
    assert vector.histograms is not None
    counts: dict[Labels, Floats] = {}
    for row, column in np.argwhere(held).tolist():
        said = text(vector.histograms[row, column])
        named = labels_of({**dict(key(vector.labels[row])), label: said})
        if named not in counts:
            counts[named] = np.zeros(steps)
            bounded(len(counts), steps)
        counts[named][column] += 1
    of_histograms = np.array(list(counts.values())).reshape(len(counts), steps)
    of_floats = aggregations.counted_values(vector.floats(), key, label, bounded)
    both = [of_floats, Vector(tuple(counts), of_histograms, of_histograms > 0)]
    return joined(stacked(both, steps))
