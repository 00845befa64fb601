"""Stored gauges, sums and histograms of bounds as series: columns of the store as they are, with
nothing in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from longpole.analyzer.promql.series import Integers, Series
from longpole.analyzer.promql_sources.metric_parts import Chosen, Part
from longpole.analyzer.promql_sources.point_samples import STALE
from longpole.analyzer.promql_sources.sample_limit import too_much
from longpole.model.timerange import TimeRange
from longpole.storage.ports import HistogramColumn, MetricReader, NumberPoints

NUMBERS = ("gauge", "sum")
_MS = 1_000_000
# Sets of bounds that are asked for one by one.
_MOST_SHAPES = 16


def number_series(
    reader: MetricReader, group: Sequence[Chosen], time: TimeRange, most: int
) -> list[Series]:
    """The series of chosen numbers that are no deltas, those without points left out. Series that
    were sent together share one array of times. Raises `TooMuch` for more than `most` samples."""
    points = reader.number_points([one.series.series_id for one in group], time, max(0, most))
    if points.count > most:
        raise too_much(most)
    return list(_series(points, [one.parts for one in group], {}))


def histogram_series(
    reader: MetricReader, group: Sequence[Chosen], time: TimeRange, most: int
) -> list[Series] | None:
    """The same of histograms that are no deltas, for their parts. None for histograms of which too
    many have bounds of their own."""
    alike: dict[tuple[tuple[str, float], ...], list[Chosen]] = {}
    for one in group:
        alike.setdefault(tuple((part.kind, part.at) for part in one.parts), []).append(one)
    if len(alike) > _MOST_SHAPES:
        return None
    found: list[Series] = []
    shared: dict[bytes, Integers] = {}
    for key, members in alike.items():
        columns = [_column(kind, at) for kind, at in key]
        ids = [one.series.series_id for one in members]
        # Two parts may say the same: the count and the bucket of everything.
        distinct = list(dict.fromkeys(columns))
        points = reader.histogram_points(ids, time, distinct, max(0, most))
        if not points:
            raise too_much(most)
        most -= sum(one.count for one in points)
        for place, column in enumerate(columns):
            parts = [one.parts[place : place + 1] for one in members]
            found += _series(points[distinct.index(column)], parts, shared)
    return found


def _column(kind: str, at: float) -> HistogramColumn:
    return at if kind == "bucket" and at != float("inf") else "sum" if kind == "sum" else "count"


def _series(
    points: NumberPoints, parts: Sequence[Sequence[Part]], shared: dict[bytes, Integers]
) -> Iterator[Series]:
    """The series of each place that has points; `shared` are the times that others have."""
    # By identity; the arrays are held by `points`.
    in_ms: dict[int, Integers] = {}
    for times, values, is_stale, here in zip(
        points.times, points.values, points.is_stale, parts, strict=True
    ):
        if not times.size:
            continue
        times_ms = in_ms.get(id(times))
        if times_ms is None:
            times_ms = times // _MS
            times_ms = in_ms[id(times)] = shared.setdefault(times_ms.tobytes(), times_ms)
        shown = values if is_stale is None else np.where(is_stale, STALE, values)
        for part in here:
            yield Series(part.labels, times_ms, shown)
