"""The points of series as every engine hands them out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from longpole.model import columns

_MS = 1_000_000
_OWN = {
    "place": pa.field("place", pa.int32()),
    "value": pa.field("value", pa.float64()),
}


def points_schema(asked: Sequence[str]) -> pa.Schema:
    """The columns of `MetricReader.series_points`."""
    return pa.schema(
        [
            _OWN.get(name) or columns.METRIC_POINTS.field(name)
            for name in ("place", "time_unix_nano", *asked)
        ]
    )


def in_order(points: pa.Table) -> pa.Table:
    """By place and millisecond; points of the same one stay in their order."""
    points = points.combine_chunks()
    places = points.column("place").to_numpy().astype(np.int64)
    times = points.column("time_unix_nano").to_numpy() // _MS
    if not len(times):
        return points
    lowest = int(times.min())
    if (int(times.max()) - lowest).bit_length() + int(places.max()).bit_length() < 63:
        # One key: rows that come sorted, as those of segments do, are merged in linear time.
        keys = places * (int(times.max()) - lowest + 1) + (times - lowest)
        if bool((keys[1:] >= keys[:-1]).all()):
            return points
        order = np.argsort(keys, kind="stable")
    else:
        order = np.lexsort((times, places))
    return points.take(pa.array(order))
