"""Stored gauges and sums as series: columns of the store as they are, with nothing in between."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from longpole.analyzer.promql.series import Integers, Series
from longpole.analyzer.promql_sources.metric_parts import Chosen
from longpole.analyzer.promql_sources.point_samples import STALE
from longpole.analyzer.promql_sources.sample_limit import too_much
from longpole.model.timerange import TimeRange
from longpole.storage.ports import MetricReader

NUMBERS = ("gauge", "sum")
_MS = 1_000_000


def number_series(
    reader: MetricReader, group: Sequence[Chosen], time: TimeRange, most: int
) -> list[Series]:
    """The series of chosen numbers that are no deltas, those without points left out. Series that
    were sent together share one array of times. Raises `TooMuch` for more than `most` samples."""
    points = reader.number_points([one.series.series_id for one in group], time, max(0, most))
    if points.count > most:
        raise too_much(most)
    found: list[Series] = []
    # By identity; the arrays are held by `points`.
    in_ms: dict[int, Integers] = {}
    for one, times, values, is_stale in zip(
        group, points.times, points.values, points.is_stale, strict=True
    ):
        if not times.size:
            continue
        times_ms = in_ms.get(id(times))
        if times_ms is None:
            times_ms = in_ms[id(times)] = times // _MS
        shown = values if is_stale is None else np.where(is_stale, STALE, values)
        found += [Series(part.labels, times_ms, shown) for part in one.parts]
    return found
