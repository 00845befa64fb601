"""Binary operations: between numbers, between vectors and numbers, between vectors.

How vectors find each other is Prometheus' rule (promql/engine.go, VectorBinop): by the labels
named in `on`, or by all but those in `ignoring` and the metric name; the "one" side has each
label set once at each step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from longpole.analyzer.promql.expressions import COMPARISONS, Matching
from longpole.analyzer.promql.histogram_operators import Operation, Side, with_histograms
from longpole.analyzer.promql.refusals import EvaluationError
from longpole.analyzer.promql.selectors import NAME
from longpole.analyzer.promql.series import Booleans, Floats, Labels, without_name
from longpole.analyzer.promql.vectors import Vector, joined, nameless, stacked

ARITHMETIC: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "%": np.fmod,
    "^": np.power, "atan2": np.arctan2,
}  # fmt: skip
COMPARE: dict[str, Callable[[Floats, Floats], Booleans]] = {
    "==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal,
    ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip
_Key = Callable[[Labels], Labels]


def between_numbers(op: str, left: Floats, right: Floats) -> Floats:
    """Arithmetic, or a comparison as 0 and 1."""
    with np.errstate(all="ignore"):
        if op in COMPARISONS:
            return COMPARE[op](left, right).astype(np.float64)
        return ARITHMETIC[op](left, right)


def with_number(operation: Operation, vector: Vector, number: Floats, is_left: bool) -> Vector:
    """A vector and a number at each step; `is_left` says that the number stands left."""
    op = operation.op
    sides = (number, vector.values) if is_left else (vector.values, number)
    values = between_numbers(op, np.broadcast_to(sides[0], vector.values.shape), sides[1])
    is_filter = op in COMPARISONS and not operation.is_bool
    if is_filter:
        found = vector.with_values(vector.values, vector.present & (values != 0))
    else:
        found = vector.with_values(values)
    if vector.histograms is not None:
        numbers = Side(np.broadcast_to(number, vector.values.shape))
        held = Side(vector.values, vector.histograms)
        both = (numbers, held) if is_left else (held, numbers)
        found = with_histograms(operation, found, *both, vector.present)
    return found if is_filter else nameless(found)


def key_of(matching: Matching) -> _Key:
    """Which labels have to be equal on both sides."""
    names = frozenset(matching.labels)
    if matching.is_on:
        return lambda labels: tuple(pair for pair in labels if pair[0] in names)
    left_out = names | {NAME}
    return lambda labels: tuple(pair for pair in labels if pair[0] not in left_out)


def set_operation(op: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    """`and`, `unless` and `or`, at each step apart."""
    key = key_of(matching)
    steps = left.values.shape[1]
    if op == "or":
        there = _presence(left, key, steps)
        kept = _held(right, key, there, steps)
        both = (left, right.where(right.present & ~kept))
        return joined(stacked(both, steps))
    there = _presence(right, key, steps)
    kept = _held(left, key, there, steps)
    return left.where(left.present & (kept if op == "and" else ~kept))


def _presence(vector: Vector, key: _Key, steps: int) -> dict[Labels, Booleans]:
    there: dict[Labels, Booleans] = {}
    for row, labels in enumerate(vector.labels):
        here = there.setdefault(key(labels), np.zeros(steps, bool))
        here |= vector.present[row]
    return there


def _held(vector: Vector, key: _Key, there: dict[Labels, Booleans], steps: int) -> Booleans:
    nowhere = np.zeros(steps, bool)
    rows = [there.get(key(labels), nowhere) for labels in vector.labels]
    return np.array(rows, bool).reshape(len(rows), steps)


def between_vectors(
    operation: Operation, left: Vector, right: Vector, matching: Matching
) -> Vector:
    """Arithmetic or a comparison of the pairs that match."""
    op = operation.op
    is_swapped = matching.group == "right"
    many, one = (right, left) if is_swapped else (left, right)
    key = key_of(matching)
    one_rows = _unique(one, key, "left" if is_swapped else "right")
    pairs = [(row, one_rows[k]) for row, labels in enumerate(many.labels)
             if (k := key(labels)) in one_rows]  # fmt: skip
    if not pairs:
        return Vector.empty(left.values.shape[1])
    found = many.take([row for row, _ in pairs])
    ones = one_unique(one, key).take([row for _, row in pairs])
    sides = (ones, found) if is_swapped else (found, ones)
    values = between_numbers(op, sides[0].values, sides[1].values)
    there = present = found.present & ones.present
    is_filter = op in COMPARISONS and not operation.is_bool
    if is_filter:
        present = present & (values != 0)
        values = sides[0].values
    result = Vector(found.labels, values, present)
    if found.histograms is not None or ones.histograms is not None:
        first, second = (Side(side.values, side.histograms) for side in sides)
        result = with_histograms(operation, result, first, second, there)
    if not matching.group:
        # Every pair at a step has to be the only one of its key.
        _refuse_many(result, key)
    labels = tuple(
        _result_labels(mine, theirs, matching, not is_filter)
        for mine, theirs in zip(found.labels, ones.labels, strict=True)
    )
    return joined(
        replace(result, labels=labels),
        "multiple matches for labels: grouping labels must ensure unique matches",
    )


def one_unique(vector: Vector, key: _Key) -> Vector:
    """The side of which there is one: rows of one key that take turns made one row, which has
    the labels of the first."""
    groups = _groups(vector.labels, key)
    if len(groups) == len(vector.labels):
        return vector
    marked = replace(vector, labels=tuple(key(labels) for labels in vector.labels))
    firsts = tuple(vector.labels[rows[0]] for rows in groups.values())
    merged = joined(marked)
    return replace(merged, labels=firsts)


def _unique(vector: Vector, key: _Key, side: str) -> dict[Labels, int]:
    groups = _groups(vector.labels, key)
    for k, rows in groups.items():
        if len(rows) > 1 and (vector.present[rows].sum(axis=0) > 1).any():
            raise EvaluationError(
                f"found duplicate series for the match group {shown(k)} on the {side} hand-side of"
                " the operation; many-to-many matching not allowed: matching labels must be"
                " unique on one side"
            )
    return {k: place for place, k in enumerate(groups)}


def _refuse_many(vector: Vector, key: _Key) -> None:
    for k, rows in _groups(vector.labels, key).items():
        if len(rows) > 1 and (vector.present[rows].sum(axis=0) > 1).any():
            raise EvaluationError(
                f"multiple matches for labels {shown(k)}: many-to-one matching must be explicit"
                " (group_left/group_right)"
            )


def _groups(labels: Iterable[Labels], key: _Key) -> dict[Labels, list[int]]:
    groups: dict[Labels, list[int]] = {}
    for row, one in enumerate(labels):
        groups.setdefault(key(one), []).append(row)
    return groups


def _result_labels(mine: Labels, theirs: Labels, matching: Matching, drops_name: bool) -> Labels:
    kept = dict(without_name(mine) if drops_name else mine)
    if not matching.group:
        names = frozenset(matching.labels)
        kept = {name: value for name, value in kept.items() if (name in names) == matching.is_on}
    from_one = dict(theirs)
    for name in matching.include:
        if value := from_one.get(name, ""):
            kept[name] = value
        else:
            kept.pop(name, None)
    return tuple(sorted(kept.items()))


def shown(labels: Labels) -> str:
    """A label set as PromQL writes it, cut when it is long."""
    text = ", ".join(f'{name}="{value}"' for name, value in labels)
    return "{" + (text if len(text) <= 300 else text[:300] + "…") + "}"
