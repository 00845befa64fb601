"""Points of one stored series as the samples of its parts, column by column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from longpole.analyzer.promql.series import STALE_BITS, Booleans, Floats, Integers, Labels, Series
from longpole.analyzer.promql_sources.accumulation import Track, accumulated
from longpole.analyzer.promql_sources.exponential import counts_at
from longpole.analyzer.promql_sources.metric_parts import Part
from longpole.analyzer.promql_sources.native_samples import native, series_of, summed
from longpole.analyzer.promql_sources.series_labels import StoredSeries

STALE = float(np.array([STALE_BITS], np.uint64).view(np.float64)[0])
_NO_RECORDED_VALUE = 1
_MS = 1_000_000
_FIXED = ("start_unix_nano", "flags")
_EXPONENTIAL = (
    "scale", "zero_count", "positive_offset", "positive_counts", "negative_offset",
    "negative_counts",
)  # fmt: skip
COLUMNS = {
    "gauge": (*_FIXED, "value"),
    "sum": (*_FIXED, "value"),
    "histogram": (*_FIXED, "count", "sum", "explicit_bounds", "bucket_counts"),
    "exponential_histogram": (*_FIXED, "count", "sum", *_EXPONENTIAL),
    "summary": (*_FIXED, "count", "sum", "quantiles", "quantile_values"),
}


@dataclass(frozen=True, slots=True)
class Points:
    """Points by place and time; those of one place lie in `starts[place]:starts[place + 1]`."""

    rows: pa.Table
    times_ms: Integers
    begins_ms: Integers
    is_stale: Booleans
    starts: NDArray[np.int64]


def points_of(rows: pa.Table, count: int) -> Points:
    """The answer of `MetricReader.series_points` for `count` series."""
    rows = rows.combine_chunks()
    flags = _numbers(rows, "flags").astype(np.int64)
    return Points(
        rows,
        _numbers(rows, "time_unix_nano") // _MS,
        _numbers(rows, "start_unix_nano") // _MS,
        (flags & _NO_RECORDED_VALUE) != 0,
        np.searchsorted(_numbers(rows, "place"), np.arange(count + 1)),
    )


def samples(
    one: StoredSeries, parts: Sequence[Part], points: Points, place: int, after_ms: int,
    through_ms: int,
) -> Iterator[Series]:  # fmt: skip
    """The samples of parts in (after_ms, through_ms]. A part may come more than once, with the
    samples of other times."""
    start, end = int(points.starts[place]), int(points.starts[place + 1])
    held = slice(start, end)
    for part in parts:
        if part.kind == "native":
            found = _natives(one, part.labels, points, held, after_ms, through_ms)
            if found is not None:
                yield found
    for track, begins, labels in _tracks(one, parts, points, held):
        if one.is_delta:
            track = accumulated(track, begins, is_daily(one))
        inside = track.between(after_ms, through_ms)
        if not len(inside.times_ms):
            continue
        for column, name in enumerate(labels):
            values = np.ascontiguousarray(inside.values[:, column])
            if inside.is_stale.any():
                values = np.where(inside.is_stale, STALE, values)
            yield Series(name, inside.times_ms, values)


def _natives(
    one: StoredSeries, labels: Labels, points: Points, held: slice, after_ms: int, through_ms: int
) -> Series | None:
    wanted = [*_EXPONENTIAL, "count", "sum"]
    told = points.rows.select(wanted).slice(held.start, held.stop - held.start).to_pylist()
    rows, natives = [], []
    for row, point in enumerate(told, held.start):
        found = native(
            point["scale"] or 0, float(point["zero_count"] or 0), float(point["count"] or 0),
            float(point["sum"] or 0.0),
            (point["positive_offset"] or 0, np.array(point["positive_counts"] or (), np.float64)),
            (point["negative_offset"] or 0, np.array(point["negative_counts"] or (), np.float64)),
        )  # fmt: skip
        if found is not None:
            rows.append(row)
            natives.append(found)
    chosen = np.array(rows, np.int64)
    times, stale = points.times_ms[chosen], points.is_stale[chosen]
    track = Track(times, np.zeros((len(rows), 1)), stale)
    if one.is_delta and rows:
        natives, track = summed(natives, times, points.begins_ms[chosen], stale)
    return series_of(labels, natives, track, after_ms, through_ms)


def is_daily(one: StoredSeries) -> bool:
    """Whether the running sum of these deltas may begin anew: it only ever grows."""
    return one.is_monotonic or one.type not in ("gauge", "sum")


_Found = tuple[Track, Integers, list[Labels]]


def _tracks(
    one: StoredSeries, parts: Sequence[Part], points: Points, held: slice
) -> Iterator[_Found]:
    everything = np.arange(held.start, held.stop)
    for part in parts:
        if part.kind in ("value", "count", "sum"):
            column = _numbers(points.rows.slice(held.start, held.stop - held.start), part.kind)
            values = column.astype(np.float64)
            rows = everything
            if part.kind == "sum" and one.type != "summary":
                # A histogram of what may be negative has none, and then there is no sample.
                present = _has_sum(points.rows, held)
                rows, values = everything[present], values[present]
            yield _track(points, rows, values[:, None], [part.labels])
    if one.type == "histogram":
        yield from _buckets(points, held, [part for part in parts if part.kind == "bucket"])
    elif one.type == "exponential_histogram":
        yield from _exponential(points, held, [part for part in parts if part.kind == "bucket"])
    elif one.type == "summary":
        for part in parts:
            if part.kind == "quantile":
                yield _quantile(points, held, part)


def _has_sum(rows: pa.Table, held: slice) -> Booleans:
    sums = rows.column("sum").slice(held.start, held.stop - held.start)
    return np.asarray(sums.is_valid().to_numpy(zero_copy_only=False), bool)


def _track(points: Points, rows: Integers, values: Floats, labels: list[Labels]) -> _Found:
    track = Track(points.times_ms[rows], values, points.is_stale[rows])
    return track, points.begins_ms[rows], labels


def _buckets(points: Points, held: slice, parts: Sequence[Part]) -> Iterator[_Found]:
    """Cumulative counts; points of other bounds are apart."""
    if not parts:
        return
    totals = _numbers(points.rows, "count")
    counts, bounds = (_Lists(points.rows, name) for name in ("bucket_counts", "explicit_bounds"))
    for chosen, rows in _by_bounds(bounds, held):
        wanted = [part for part in parts if part.at in chosen or np.isinf(part.at)]
        matrix = np.zeros((len(rows), len(wanted)))
        if len(chosen):
            summed = np.cumsum(counts.matrix(rows)[:, : len(chosen)], axis=1)
        for column, part in enumerate(wanted):
            if np.isinf(part.at):
                matrix[:, column] = totals[rows]
            else:
                matrix[:, column] = summed[:, chosen.index(part.at)]
        yield _track(points, rows, matrix, [part.labels for part in wanted])


def _by_bounds(bounds: _Lists, held: slice) -> Iterator[tuple[list[float], Integers]]:
    rows = np.arange(held.start, held.stop)
    lengths = bounds.lengths(rows)
    if len(rows) and bool((lengths == lengths[0]).all()):
        matrix = bounds.matrix(rows)
        if bool((matrix == matrix[0]).all()):
            yield matrix[0].tolist(), rows
            return
    groups: dict[tuple[float, ...], list[int]] = {}
    for row in rows.tolist():
        groups.setdefault(tuple(bounds.one(row).tolist()), []).append(row)
    for chosen, members in groups.items():
        yield list(chosen), np.array(members, np.int64)


def _exponential(points: Points, held: slice, parts: Sequence[Part]) -> Iterator[_Found]:
    if not parts:
        return
    finite = np.array([part.at for part in parts if np.isfinite(part.at)])
    negative = np.rint(np.log2(-finite[finite < 0][::-1]) * 4).astype(np.int64)
    positive = np.rint(np.log2(finite[finite > 0]) * 4).astype(np.int64)
    has_zero = bool((finite == 0).any())
    told = points.rows.select([*_EXPONENTIAL, "count"])
    told = told.slice(held.start, held.stop - held.start).to_pylist()
    matrix = np.zeros((len(told), len(parts)))
    for row, point in enumerate(told):
        found = counts_at(point, negative, positive)
        if not has_zero:
            found = np.delete(found, len(negative))
        matrix[row, : len(found)] = found
        matrix[row, len(found) :] = float(point["count"] or 0)
    rows = np.arange(held.start, held.stop)
    yield _track(points, rows, matrix, [part.labels for part in parts])


def _quantile(points: Points, held: slice, part: Part) -> _Found:
    quantiles, values = (_Lists(points.rows, name) for name in ("quantiles", "quantile_values"))
    rows, found = [], []
    for row in range(held.start, held.stop):
        here = np.flatnonzero(quantiles.one(row) == part.at)
        if len(here):
            rows.append(row)
            found.append(values.one(row)[here[0]])
    values_there = np.array(found, np.float64).reshape(-1, 1)
    return _track(points, np.array(rows, np.int64), values_there, [part.labels])


class _Lists:
    """A column of lists of numbers."""

    def __init__(self, rows: pa.Table, name: str) -> None:
        column = rows.column(name)
        array = column.chunk(0) if column.num_chunks else pa.array([], column.type)
        self._offsets = array.offsets.to_numpy().astype(np.int64)
        self._values = array.values.to_numpy(zero_copy_only=False).astype(np.float64)

    def lengths(self, rows: Integers) -> Integers:
        return np.asarray(self._offsets[rows + 1] - self._offsets[rows])

    def one(self, row: int) -> Floats:
        return np.asarray(self._values[self._offsets[row] : self._offsets[row + 1]])

    def matrix(self, rows: Integers) -> Floats:
        """The lists of rows that are all equally long."""
        length = int(self.lengths(rows[:1])[0])
        places = self._offsets[rows][:, None] + np.arange(length)
        return np.asarray(self._values[places])


def _numbers(rows: pa.Table, name: str) -> NDArray[Any]:
    return np.asarray(rows.column(name).to_numpy())
