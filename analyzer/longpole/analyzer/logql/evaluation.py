"""Counts of lines over time, and what is worked out of them, at every step at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from longpole.analyzer.logql.expressions import (
    Aggregation,
    LabelReplace,
    Metric,
    Number,
    Operation,
    OverTime,
    Vector,
)
from longpole.analyzer.logql.parsing import RANKED
from longpole.analyzer.logql.pipeline import ERROR, NO_NUMBER, Line
from longpole.analyzer.logql.reading import all_lines
from longpole.analyzer.logql.refusals import LogQLError, TooMuch
from longpole.analyzer.logql.windows import ADDITIVE, PER_SECOND, over_time
from longpole.analyzer.promql.functions import label_replaced
from longpole.analyzer.promql.vectors import Vector as Rows
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader

MOST_STEPS = 11_000
MOST_SERIES = 5_000
Floats: TypeAlias = npt.NDArray[np.float64]
Labels: TypeAlias = tuple[tuple[str, str], ...]
Table: TypeAlias = dict[Labels, Floats]
SORTED = ("sort", "sort_desc")
_COMPARISONS = ("==", "!=", ">", ">=", "<", "<=")


@dataclass(frozen=True, slots=True)
class Steps:
    """When to evaluate, in Unix nanoseconds."""

    start_ns: int
    step_ns: int
    count: int

    @property
    def times_ns(self) -> npt.NDArray[np.int64]:
        """Every time."""
        return self.start_ns + np.arange(self.count, dtype=np.int64) * self.step_ns


def range_steps(start_ns: int, end_ns: int, step_ns: int) -> Steps:
    """From start to end, the end if a step falls on it. Raises `TooMuch`."""
    count = (end_ns - start_ns) // step_ns + 1
    if count > MOST_STEPS:
        raise TooMuch(f"the range has {count:,} steps, more than {MOST_STEPS:,}: use a longer step")
    return Steps(start_ns, step_ns, max(1, count))


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Evaluates over one store at the same steps. `elapsed` gives seconds since the start."""

    store: TraceReader
    steps: Steps
    elapsed: Callable[[], float]

    def value(self, metric: Metric) -> Table | float:
        """A number at each step by labels, NaN where there is none; a plain number for a query
        without series. In the order of labels, after a sort of one step in that of values.
        Raises `LogQLError`."""
        found = self._value(metric)
        is_sorted = isinstance(metric, Aggregation) and metric.operator in SORTED
        return found if isinstance(found, float) or is_sorted else dict(sorted(found.items()))

    def _value(self, metric: Metric) -> Table | float:
        match metric:
            case Number(value):
                return value
            case Vector(value):
                return {(): np.full(self.steps.count, value)}
            case OverTime():
                return self._over_time(metric, metric.by, metric.is_without)
            case LabelReplace():
                return self._relabelled(metric)
            case Aggregation():
                return self._aggregated(metric)
            case Operation(operator, left, right):
                return _joined(operator, self.value(left), self.value(right))

    def _over_time(self, metric: OverTime, by: Sequence[str] | None, is_without: bool) -> Table:
        times = self.steps.times_ns - metric.offset_ns
        window = TimeRange(int(times[0]) - metric.range_ns + 1, int(times[-1]) + 1)
        is_bytes, is_unwrapped = metric.function.startswith("bytes"), metric.lines.are_unwrapped
        found: dict[Labels, list[tuple[int, float]]] = defaultdict(list)
        for line in all_lines(self.store, metric.lines, window, self.elapsed):
            labels = _grouped(tuple(sorted(line.labels.items())), by, is_without)
            if is_unwrapped:
                _check_number(line)
                weight = line.number
            else:
                weight = float(len(line.text.encode())) if is_bytes else 1.0
            found[labels].append((line.record.time_ns, weight))
            if len(found) > MOST_SERIES:
                raise TooMuch(
                    f"the query makes more than {MOST_SERIES:,} series: sum them by fewer labels"
                )
        if metric.function == "absent_over_time":
            return _absent(metric, [pair for pairs in found.values() for pair in pairs], times)
        seconds = metric.range_ns / 1e9 if metric.function in PER_SECOND else 1.0
        return {
            labels: _windowed(metric, samples, times) / seconds for labels, samples in found.items()
        }

    def _relabelled(self, metric: LabelReplace) -> Table:
        table = self.value(metric.operand)
        if isinstance(table, float):
            raise LogQLError("label_replace needs series, and this is a number")
        values = np.array(list(table.values())).reshape(len(table), self.steps.count)
        replaced = label_replaced(
            Rows(tuple(table), values, ~np.isnan(values)),
            metric.label, metric.replacement, metric.source, metric.pattern,
        )  # fmt: skip
        kept = np.where(replaced.present, replaced.values, np.nan)
        return dict(zip(replaced.labels, kept, strict=True))

    def _aggregated(self, metric: Aggregation) -> Table:
        by = () if metric.by is None else metric.by
        is_without = metric.is_without
        inner = metric.operand
        # Sums of sums are sums: a series for each trace id is never made for them.
        if metric.operator == "sum" and isinstance(inner, OverTime) and inner.function in ADDITIVE:
            return self._over_time(inner, by, is_without)
        table = self.value(inner)
        if isinstance(table, float):
            raise LogQLError(f"{metric.operator} needs series, and this is a number")
        groups: dict[Labels, list[Labels]] = defaultdict(list)
        for labels in sorted(table):
            groups[_grouped(labels, by, is_without)].append(labels)
        if metric.operator in SORTED:
            return _sorted(table, is_descending=metric.operator == "sort_desc")
        if metric.operator in RANKED:
            return _ranked(metric, groups, table)
        return {
            group: _folded(metric.operator, np.stack([table[labels] for labels in members]))
            for group, members in groups.items()
        }


def _grouped(labels: Labels, by: Sequence[str] | None, is_without: bool) -> Labels:
    if by is None:
        return labels
    return tuple(pair for pair in labels if (pair[0] in by) != is_without and pair[1])


def _check_number(line: Line) -> None:
    if line.labels.get(ERROR) == NO_NUMBER:
        shown = ", ".join(f'{name}="{value[:80]}"' for name, value in line.record.stream.items())
        raise LogQLError(
            f"pipeline error: '{NO_NUMBER}' for series: '{{{shown}}}': a label that is unwrapped"
            ' is no number there. To leave such lines out, write | __error__="" after unwrap'
        )


def _windowed(
    metric: OverTime, samples: list[tuple[int, float]], times: npt.NDArray[np.int64]
) -> Floats:
    samples.sort(key=itemgetter(0))
    at = np.array([time for time, _ in samples], np.int64)
    values = np.array([value for _, value in samples], np.float64)
    return over_time(metric.function, at, values, times, metric.range_ns, metric.parameter)


def _absent(
    metric: OverTime, samples: list[tuple[int, float]], times: npt.NDArray[np.int64]
) -> Table:
    """1 where no line is, with the labels that the selector names."""
    is_there = ~np.isnan(_windowed(replace(metric, function="count_over_time"), samples, times))
    named = [one for one in metric.lines.matchers if one.operator == "=" and one.value]
    labels = tuple(sorted((one.name, one.value) for one in named))
    return {labels: np.where(is_there, np.nan, 1.0)}


def _folded(operator: str, table: Floats) -> Floats:
    is_there = ~np.isnan(table)
    counts = is_there.sum(axis=0)
    filled = np.where(is_there, table, 0.0)
    match operator:
        case "sum":
            result = filled.sum(axis=0)
        case "avg":
            result = filled.sum(axis=0) / np.maximum(counts, 1)
        case "count":
            result = counts.astype(np.float64)
        case "stddev" | "stdvar":
            mean = filled.sum(axis=0) / np.maximum(counts, 1)
            square = np.where(is_there, table - mean, 0.0) ** 2
            result = square.sum(axis=0) / np.maximum(counts, 1)
            result = np.sqrt(result) if operator == "stddev" else result
        case "min":
            result = np.where(is_there, table, np.inf).min(axis=0)
        case _:
            result = np.where(is_there, table, -np.inf).max(axis=0)
    return np.where(counts > 0, result, np.nan)


def _sorted(table: Table, is_descending: bool) -> Table:
    """By the first of the values, those that there are not last."""

    def key(pair: tuple[Labels, Floats]) -> tuple[bool, float]:
        value = float(pair[1][0])
        return np.isnan(value), -value if is_descending else value

    return dict(sorted(table.items(), key=key))


def _ranked(metric: Aggregation, groups: dict[Labels, list[Labels]], table: Table) -> Table:
    found: Table = {}
    sign = 1.0 if metric.operator == "bottomk" else -1.0
    for members in groups.values():
        values = np.stack([table[labels] for labels in members])
        order = np.argsort(np.where(np.isnan(values), np.inf, sign * values), 0, kind="stable")
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(len(members))[:, None], axis=0)
        kept = np.where(rank < metric.parameter, values, np.nan)
        for labels, row in zip(members, kept, strict=True):
            if not np.isnan(row).all():
                found[labels] = row
    return found


def _joined(operator: str, left: Table | float, right: Table | float) -> Table | float:
    if isinstance(left, float) and isinstance(right, float):
        result = _calculated(operator, np.array([left]), np.array([right]))
        return float(result[0])
    if isinstance(left, float):
        assert not isinstance(right, float)
        return {
            labels: _calculated(operator, np.full(len(row), left), row, keep=row)
            for labels, row in right.items()
        }
    if isinstance(right, float):
        return {
            labels: _calculated(operator, row, np.full(len(row), right), keep=row)
            for labels, row in left.items()
        }
    shared = [labels for labels in left if labels in right]
    return {
        labels: _calculated(operator, left[labels], right[labels], keep=left[labels])
        for labels in shared
    }


def _calculated(operator: str, left: Floats, right: Floats, keep: Floats | None = None) -> Floats:
    operations = {
        "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "%": np.fmod,
        "^": np.power, "==": np.equal, "!=": np.not_equal, ">": np.greater,
        ">=": np.greater_equal, "<": np.less, "<=": np.less_equal,
    }  # fmt: skip
    with np.errstate(all="ignore"):
        result = operations[operator](left, right)
    if operator not in _COMPARISONS:
        return np.asarray(result, np.float64)
    if keep is None:
        return np.asarray(result, np.float64)
    is_there = result & ~np.isnan(left) & ~np.isnan(right)
    return np.where(is_there, keep, np.nan)
