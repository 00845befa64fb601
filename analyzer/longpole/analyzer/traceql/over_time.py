"""Functions over the spans of each step: counts, extremes, sums, histograms and quantiles.

An accumulator takes chunk after chunk and makes series at the end. What it keeps grows with the
number of series and steps, and for quantiles with the number of spans: those are exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from longpole.analyzer.traceql.columns import Floats, Ints, Kind, Mask, Rows, Value
from longpole.analyzer.traceql.expressions import Field, OverTime
from longpole.analyzer.traceql.field_values import FieldValues
from longpole.analyzer.traceql.fields import field_name
from longpole.analyzer.traceql.refusals import TooMuch
from longpole.analyzer.traceql.series import NAME_LABEL, Exemplar, Series
from longpole.analyzer.traceql.spansets import Note
from longpole.analyzer.traceql.steps import Steps

MOST_SERIES = 10_000
MOST_VALUES = 20_000_000
_COUNTING = ("rate", "count_over_time")
_SECOND = 1e9
Key = tuple[tuple[Kind, Value], ...]


@dataclass(slots=True, eq=False)
class _Group:
    """What is known of one series before it is one."""

    counts: Ints
    numbers: Floats
    values: list[tuple[Ints, Floats]] = field(default_factory=list)
    exemplars: dict[int, Exemplar] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class OverTimeSeries:
    """Gathers what one function measures. `exemplars` bounds those of each series."""

    function: OverTime
    steps: Steps
    exemplars: int
    groups: dict[Key, _Group] = field(default_factory=dict)
    held: int = 0

    def add(self, rows: Rows, values: FieldValues) -> None:
        """Count these spans. Raises `TooMuch`."""
        places = self.steps.places(values.frame.start_ns[rows])
        numbers, is_number = self._numbers(rows, values)
        is_in = (places >= 0) & is_number
        rows, places, numbers = rows[is_in], places[is_in], numbers[is_in]
        groups, keys = self._groups(rows, values, numbers)
        order = np.argsort(groups, kind="stable")
        ends = np.searchsorted(groups[order], np.arange(len(keys)), "right")
        begin = 0
        for key, end in zip(keys, ends.tolist(), strict=True):
            chosen = order[begin:end]
            begin = end
            self._add(key, places[chosen], numbers[chosen], rows[chosen], values)

    def series(self) -> list[Series]:
        """Everything gathered, sorted by labels."""
        found: list[Series] = []
        for key, group in self.groups.items():
            found += self._series(key, group)
        if not found and self.function.function in _COUNTING and not self.function.by:
            # Nothing happened at any step, which is a number too.
            zeros = np.zeros(self.steps.count)
            found.append(Series(self._labels(()), zeros))
        return sorted(found, key=lambda one: [(str(n[0]), str(n[2])) for n in one.labels])

    def _numbers(self, rows: Rows, values: FieldValues) -> tuple[Floats, Mask]:
        measured = self.function.field
        if measured is None:
            return np.zeros(len(rows)), np.ones(len(rows), np.bool_)
        column = values.column(measured).take(rows)
        numbers = column.as_floats
        if self.function.function != "histogram_over_time":
            numbers = np.where(column.kinds == Kind.DURATION, numbers / _SECOND, numbers)
        return numbers, column.is_number

    def _groups(self, rows: Rows, values: FieldValues, numbers: Floats) -> tuple[Ints, list[Key]]:
        """A group for each row, and the key of each group."""
        found = np.zeros(len(rows), np.int64)
        keys: list[Key] = [()]
        if self.function.function == "histogram_over_time":
            buckets, found = np.unique(_bucket(numbers), return_inverse=True)
            is_duration = _is_duration(self.function.field, rows, values)
            scale = _SECOND if is_duration else 1.0
            keys = [((Kind.FLOAT, float(bucket) / scale),) for bucket in buckets]
            found = found.reshape(-1).astype(np.int64)
        for one in self.function.by:
            own, names = values.column(one).take(rows).groups()
            pairs, found = np.unique(
                found * np.int64(max(1, len(names))) + own, return_inverse=True
            )
            found = found.reshape(-1).astype(np.int64)
            before, added = np.divmod(pairs, max(1, len(names)))
            keys = [
                (*keys[old], names[new])
                for old, new in zip(before.tolist(), added.tolist(), strict=True)
            ]
        return found, keys if len(rows) else []

    def _add(
        self, key: Key, places: Ints, numbers: Floats, rows: Rows, values: FieldValues
    ) -> None:
        group = self.groups.get(key)
        if group is None:
            if len(self.groups) >= MOST_SERIES:
                raise TooMuch(f"the query makes more than {MOST_SERIES:,} series: group by less")
            group = self.groups[key] = self._empty()
        group.counts += np.bincount(places, minlength=self.steps.count)
        match self.function.function:
            case "sum_over_time" | "avg_over_time":
                group.numbers += np.bincount(places, numbers, minlength=self.steps.count)
            case "min_over_time":
                np.minimum.at(group.numbers, places, numbers)
            case "max_over_time":
                np.maximum.at(group.numbers, places, numbers)
            case "quantile_over_time":
                self.held += len(places)
                if self.held > MOST_VALUES:
                    raise TooMuch(
                        f"quantiles over more than {MOST_VALUES:,} spans: ask for less time"
                    )
                group.values.append((places, numbers))
        self._add_exemplars(group, places, numbers, rows, values)

    def _empty(self) -> _Group:
        start = {"min_over_time": np.inf, "max_over_time": -np.inf}
        begin = start.get(self.function.function, 0.0)
        count = self.steps.count
        return _Group(np.zeros(count, np.int64), np.full(count, begin))

    def _add_exemplars(
        self, group: _Group, places: Ints, numbers: Floats, rows: Rows, values: FieldValues
    ) -> None:
        if len(group.exemplars) >= self.exemplars:
            return
        frame = values.frame
        steps, firsts = np.unique(places, return_index=True)
        for step, first in zip(steps.tolist(), firsts.tolist(), strict=True):
            if step not in group.exemplars and len(group.exemplars) < self.exemplars:
                row = int(rows[first])
                seconds = float(frame.duration_ns[row]) / _SECOND
                is_plain = self.function.field is None
                value = seconds if is_plain else float(numbers[first])
                if self.function.function == "histogram_over_time":
                    value = seconds
                group.exemplars[step] = Exemplar(
                    frame.trace_ids[int(frame.trace_of[row])],
                    int(frame.span_ids[row]),
                    int(frame.start_ns[row]),
                    value,
                )

    def _labels(self, key: Key) -> tuple[Note, ...]:
        names = [field_name(one) for one in self.function.by]
        if self.function.function == "histogram_over_time":
            names = ["__bucket", *names]
        found = tuple((name, *value) for name, value in zip(names, key, strict=True))
        if not found and self.function.function != "quantile_over_time":
            return ((NAME_LABEL, Kind.TEXT, self.function.function),)
        return found

    def _series(self, key: Key, group: _Group) -> list[Series]:
        labels = self._labels(key)
        exemplars = tuple(group.exemplars[step] for step in sorted(group.exemplars))
        counts = group.counts.astype(np.float64)
        match self.function.function:
            case "rate":
                return [Series(labels, counts / self.steps.seconds, exemplars)]
            case "count_over_time" | "histogram_over_time":
                return [Series(labels, counts, exemplars)]
            case "quantile_over_time":
                return self._quantiles(labels, group, exemplars)
        numbers = group.numbers
        if self.function.function == "avg_over_time":
            numbers = numbers / np.maximum(group.counts, 1)
        return [Series(labels, np.where(group.counts > 0, numbers, np.nan), exemplars)]

    def _quantiles(
        self, labels: tuple[Note, ...], group: _Group, exemplars: tuple[Exemplar, ...]
    ) -> list[Series]:
        """By linear interpolation between the two values nearest to the rank."""
        places = np.concatenate([one for one, _ in group.values])
        numbers = np.concatenate([one for _, one in group.values])
        numbers = numbers[np.lexsort((numbers, places))]
        begins = np.cumsum(group.counts) - group.counts
        found = []
        for quantile in self.function.quantiles:
            rank = quantile * np.maximum(group.counts - 1, 0)
            low = begins + np.floor(rank).astype(np.int64)
            high = begins + np.ceil(rank).astype(np.int64)
            last = max(0, len(numbers) - 1)
            below, above = numbers[np.minimum(low, last)], numbers[np.minimum(high, last)]
            result = below + (above - below) * (rank - np.floor(rank))
            result = np.where(group.counts > 0, result, np.nan)
            label: Note = ("p", Kind.FLOAT, quantile)
            is_last = quantile == max(self.function.quantiles)
            found.append(Series((*labels, label), result, exemplars if is_last else ()))
        return found


def _bucket(numbers: Floats) -> Floats:
    """The power of two at or above each number, 1 for what is less."""
    return np.asarray(2.0 ** np.ceil(np.log2(np.maximum(numbers, 1.0))), np.float64)


def _is_duration(measured: Field | None, rows: Rows, values: FieldValues) -> bool:
    assert measured is not None
    return bool((values.column(measured).take(rows[:1]).kinds == Kind.DURATION).any())
