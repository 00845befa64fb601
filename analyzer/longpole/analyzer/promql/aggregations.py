"""Aggregations over the rows of a vector, at every step at once.

Rules are Prometheus' (promql/engine.go, 3.5): min, max, topk and bottomk prefer any number to NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from longpole.analyzer.promql.numbers import written
from longpole.analyzer.promql.quantiles import between
from longpole.analyzer.promql.refusals import EvaluationError
from longpole.analyzer.promql.selectors import NAME
from longpole.analyzer.promql.series import Booleans, Floats, Integers, Labels, labels_of
from longpole.analyzer.promql.vectors import Vector, joined

# Integers of 64 bits are below it.
_MOST_COUNT = 2.0**63


def grouping(is_without: bool, names: Iterable[str]) -> Callable[[Labels], Labels]:
    """The labels that a group keeps."""
    chosen = frozenset(names)
    if is_without:
        left_out = chosen | {NAME}
        return lambda labels: tuple(pair for pair in labels if pair[0] not in left_out)
    return lambda labels: tuple(pair for pair in labels if pair[0] in chosen)


def aggregated(
    op: str, vector: Vector, key: Callable[[Labels], Labels], parameter: Floats | None
) -> Vector:
    """One row for each group; for topk and bottomk, the rows that are in."""
    if not vector.labels:
        return vector
    groups: dict[Labels, list[int]] = {}
    for row, labels in enumerate(vector.labels):
        groups.setdefault(key(labels), []).append(row)
    if op in ("topk", "bottomk"):
        assert parameter is not None
        return _extremes(vector, groups, parameter, is_largest=op == "topk")
    order = [row for rows in groups.values() for row in rows]
    sizes = np.array([len(rows) for rows in groups.values()])
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    values, present = vector.values[order], vector.present[order]
    count = np.add.reduceat(present.astype(np.float64), starts, axis=0)
    with np.errstate(all="ignore"):
        if op == "quantile":
            assert parameter is not None
            result = _quantiles(values, present, starts, sizes, parameter)
        else:
            result = _REDUCTIONS[op](values, present, starts, sizes, count)
    return Vector(tuple(groups), result, count > 0)


def _sum(values: Floats, present: Booleans, starts: Integers, *_: object) -> Floats:
    return np.add.reduceat(np.where(present, values, 0.0), starts, axis=0)


def _mean(
    values: Floats, present: Booleans, starts: Integers, sizes: Integers, count: Floats
) -> Floats:
    direct = _sum(values, present, starts) / count
    too_large = np.isinf(direct)
    if not too_large.any():
        return direct
    # The sum may overflow where the mean does not.
    return np.where(
        too_large, _sum(values / np.repeat(count, sizes, axis=0), present, starts), direct
    )


def _variance(
    values: Floats, present: Booleans, starts: Integers, sizes: Integers, count: Floats
) -> Floats:
    mean = np.repeat(_sum(values, present, starts) / count, sizes, axis=0)
    return _sum((values - mean) ** 2, present, starts) / count


_REDUCTIONS: dict[str, Callable[..., Floats]] = {
    "sum": _sum,
    "avg": _mean,
    "count": lambda values, present, starts, sizes, count: count,
    "group": lambda values, present, starts, sizes, count: np.ones_like(count),
    "min": lambda values, present, starts, *_: np.fmin.reduceat(
        np.where(present, values, np.nan), starts, axis=0
    ),
    "max": lambda values, present, starts, *_: np.fmax.reduceat(
        np.where(present, values, np.nan), starts, axis=0
    ),
    "stddev": lambda *arguments: np.sqrt(_variance(*arguments)),
    "stdvar": _variance,
}


def _quantiles(
    values: Floats, present: Booleans, starts: Integers, sizes: Integers, q: Floats
) -> Floats:
    """Each group and step apart: present values first, NaN below all numbers."""
    result = np.full((sizes.size, values.shape[1]), np.nan)
    columns = np.arange(values.shape[1])
    for place, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        rows = slice(start, start + size)
        held, here = values[rows], present[rows]
        order = np.lexsort((held, ~np.isnan(held), ~here), axis=0)
        ordered = np.take_along_axis(held, order, axis=0).T.ravel()
        number = np.maximum(here.sum(axis=0), 1)
        result[place] = between(ordered, columns * size, number, q)
    return result


def _checked_count(parameter: Floats) -> Floats:
    """How many rows topk and bottomk leave at each step, as Prometheus reads it. Raises
    `EvaluationError` for what is no 64-bit integer, unless nothing is asked for at all."""
    if (parameter < 1).all():
        return np.zeros_like(parameter)
    odd = parameter[~((parameter >= -_MOST_COUNT) & (parameter < _MOST_COUNT))]
    if odd.size:
        # As Go prints it, not as a sample is written.
        shown = repr(float(odd[0])).replace("nan", "NaN")
        shown = shown.replace("-inf", "-Inf").replace("inf", "+Inf")
        raise EvaluationError(f"Scalar value {shown} overflows int64")
    return parameter


def _extremes(
    vector: Vector, groups: dict[Labels, list[int]], parameter: Floats, *, is_largest: bool
) -> Vector:
    wanted = np.clip(_checked_count(parameter), 0, len(vector.labels)).astype(np.int64)
    present = np.zeros_like(vector.present)
    for rows in groups.values():
        held, here = vector.values[rows], vector.present[rows]
        ranked = -held if is_largest else held
        order = np.lexsort((ranked, np.isnan(held), ~here), axis=0)
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(len(rows))[:, None], axis=0)
        present[rows] = here & (rank < wanted)
    return vector.where(present).shown()


def sorted_rows(vector: Vector, *, is_descending: bool) -> Vector:
    """Rows by the value of the only step, NaN last."""
    values = vector.values[:, 0]
    keys = (-values if is_descending else values, np.isnan(values))
    return vector.take(np.lexsort(keys).tolist())


def sorted_groups(
    vector: Vector,
    groups: Iterable[Labels],
    key: Callable[[Labels], Labels],
    *,
    is_descending: bool,
) -> Vector:
    """Rows of one group next to each other, by the value of the only step; `groups` may repeat."""
    ordered = sorted_rows(vector, is_descending=is_descending)
    places: dict[Labels, list[int]] = {group: [] for group in groups}
    for row, labels in enumerate(ordered.labels):
        places[key(labels)].append(row)
    return ordered.take([row for rows in places.values() for row in rows])


def counted_values(
    vector: Vector,
    key: Callable[[Labels], Labels],
    label: str,
    bounded: Callable[[int, int], None],
) -> Vector:
    """`count_values`: how many rows of each group have each value. Every value is a row of its
    own, so `bounded` may refuse their number, times steps, before they are made."""
    places: dict[Labels, int] = {}
    found: list[tuple[Integers, Integers]] = []
    steps = vector.values.shape[1]
    for row, labels in enumerate(vector.labels):
        kept = dict(key(labels))
        columns = np.flatnonzero(vector.present[row])
        values, which = np.unique(vector.values[row][columns], return_inverse=True)
        named = [labels_of({**kept, label: written(float(value))}) for value in values]
        rows = np.array([places.setdefault(one, len(places)) for one in named], np.int64)
        bounded(len(places), steps)
        found.append((rows[which], columns))
    counts = np.zeros((len(places), steps))
    for rows, columns in found:
        counts[rows, columns] += 1
    return joined(Vector(tuple(places), counts, counts > 0))
