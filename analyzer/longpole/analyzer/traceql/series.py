"""Series that a metrics query answers with, and what is done with them once they are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from longpole.analyzer.traceql.columns import Floats, Kind, Mask, Value
from longpole.analyzer.traceql.expressions import Ranked, Threshold
from longpole.analyzer.traceql.spansets import Note

NAME_LABEL = "__name__"


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One span behind a sample."""

    trace_id: int
    span_id: int
    time_ns: int
    value: float


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """`values` by step, NaN where there is no sample."""

    labels: tuple[Note, ...]
    values: Floats
    exemplars: tuple[Exemplar, ...] = ()


def after(series: Sequence[Series], stage: Ranked | Threshold) -> list[Series]:
    """What a second stage leaves: samples that fall out become NaN, empty series go."""
    if not series:
        return []
    table = np.stack([one.values for one in series])
    kept = _ranked(table, stage) if isinstance(stage, Ranked) else _beyond(table, stage)
    left = [
        replace(one, values=np.where(row, one.values, np.nan))
        for one, row in zip(series, kept, strict=True)
    ]
    return [one for one in left if not np.isnan(one.values).all()]


def joined(operator: str, left: Sequence[Series], right: Sequence[Series]) -> list[Series]:
    """Arithmetic between the series with the same labels; a comparison keeps the left samples of
    which it is true. Exemplars are those of the left."""
    others = {_identity(one): one.values for one in right}
    found = []
    for one in left:
        other = others.get(_identity(one))
        if other is not None:
            found.append(replace(one, values=_calculated(operator, one.values, other)))
    return found


def with_number(
    operator: str, series: Sequence[Series], number: float, is_left: bool
) -> list[Series]:
    """Arithmetic between every sample and a number, which stands on the left or on the right."""
    found = []
    for one in series:
        numbers = np.full(len(one.values), number)
        sides = (numbers, one.values) if is_left else (one.values, numbers)
        result = _calculated(operator, *sides)
        if is_left and operator in ("=", "!=", "<", "<=", ">", ">="):
            result = np.where(np.isnan(result), np.nan, one.values)
        found.append(replace(one, values=result))
    return found


def _identity(series: Series) -> tuple[tuple[str, Kind, Value], ...]:
    return tuple(sorted((n for n in series.labels if n[0] != NAME_LABEL), key=lambda n: n[0]))


def _calculated(operator: str, left: Floats, right: Floats) -> Floats:
    with np.errstate(all="ignore"):
        match operator:
            case "+":
                result = left + right
            case "-":
                result = left - right
            case "*":
                result = left * right
            case "/":
                result = left / right
            case _:
                return np.where(_compares(operator, left, right), left, np.nan)
    return np.where(np.isfinite(result), result, np.nan)


def _compares(operator: str, left: Floats, right: Floats) -> Mask:
    with np.errstate(invalid="ignore"):
        match operator:
            case "=":
                return np.asarray(left == right)
            case "!=":
                return np.asarray((left != right) & ~np.isnan(left) & ~np.isnan(right))
            case "<":
                return np.asarray(left < right)
            case "<=":
                return np.asarray(left <= right)
            case ">":
                return np.asarray(left > right)
        return np.asarray(left >= right)


def _beyond(table: Floats, stage: Threshold) -> Mask:
    return _compares(stage.operator, table, np.full(table.shape, stage.value))


def _ranked(table: Floats, stage: Ranked) -> Mask:
    """The first or last `most` of each step; of equal ones those of the earlier series."""
    signed = np.where(np.isnan(table), np.inf, -table if stage.is_top else table)
    order = np.argsort(signed, axis=0, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(len(table))[:, None], axis=0)
    return np.asarray((rank < stage.most) & ~np.isnan(table))
