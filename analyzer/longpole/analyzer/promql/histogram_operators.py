"""Binary operations in which native histograms take part, sample by sample.

Rules are Prometheus' (promql/engine.go, vectorElemBinop, 3.5): histograms are added, subtracted and
compared for equality with each other, and scaled by numbers; every other pair yields nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longpole.analyzer.promql.budget import Budget
from longpole.analyzer.promql.expressions import COMPARISONS, Expression
from longpole.analyzer.promql.histograms import Histogram, Histograms, are_equal, combined
from longpole.analyzer.promql.notes import Notes
from longpole.analyzer.promql.series import Booleans, Floats, are_histograms
from longpole.analyzer.promql.vectors import Vector


@dataclass(frozen=True, slots=True)
class Operation:
    """`op`, where to say what it cannot do, and what histograms that it makes are paid from."""

    op: str
    is_bool: bool
    notes: Notes
    about: Expression
    budget: Budget


@dataclass(frozen=True, slots=True)
class Side:
    """One operand: floats (N x S), and histograms where there are any."""

    values: Floats
    histograms: Histograms | None = None


def with_histograms(
    operation: Operation, floats: Vector, left: Side, right: Side, present: Booleans
) -> Vector:
    """`floats` is what the operation makes of the floats; what it makes of the others at `present`
    is put in."""
    shape = floats.values.shape
    lefts, rights = (_cells(side, shape) for side in (left, right))
    touched = present & (are_histograms(lefts) | are_histograms(rights))
    values, found = floats.values.copy(), np.full(shape, None, object)
    kept = floats.present & ~touched
    for row, column in np.argwhere(touched).tolist():
        at = (row, column)
        result = _of_pair(
            operation,
            float(left.values[at]) if lefts[at] is None else lefts[at],
            float(right.values[at]) if rights[at] is None else rights[at],
        )
        if isinstance(result, Histogram):
            operation.budget.make_histogram(result.size)
            found[at], kept[at] = result, True
        elif result is not None:
            values[at], kept[at] = result, True
    return Vector(floats.labels, values, kept, found)


def _cells(side: Side, shape: tuple[int, ...]) -> Histograms:
    return np.full(shape, None, object) if side.histograms is None else side.histograms


def _of_pair(
    operation: Operation, left: Histogram | float, right: Histogram | float
) -> Histogram | float | None:
    op = operation.op
    if isinstance(left, Histogram) and isinstance(right, Histogram):
        if op in ("+", "-"):
            return combined([(1.0, left), (1.0 if op == "+" else -1.0, right)])
        if op in ("==", "!="):
            is_kept = are_equal(left, right) == (op == "==")
            if operation.is_bool:
                return float(is_kept)
            return left if is_kept else None
    elif isinstance(left, Histogram) and isinstance(right, float):
        if op == "*":
            return left.times(right)
        if op == "/":
            return left.divided(right)
    elif isinstance(right, Histogram) and isinstance(left, float) and op == "*":
        return right.times(left)
    assert op in COMPARISONS or op in ("+", "-", "*", "/", "%", "^", "atan2")
    kinds = ["histogram" if isinstance(one, Histogram) else "float" for one in (left, right)]
    operation.notes.odd_operands(kinds[0], op, kinds[1], operation.about)
    return None
