"""Reads metrics as time series, part by part: which there are, and their points as columns."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longpole.model.timerange import TimeRange
from longpole.storage.answers import KNOWN_SERIES, POINT_SHAPES, RESOURCE_TIMES
from longpole.storage.duckdb.read.found_logs import resource_attributes
from longpole.storage.duckdb.read.part import Part, parts_of
from longpole.storage.duckdb.read.red_series import RedCubes
from longpole.storage.duckdb.read.stored_rows import arrow, model_columns
from longpole.storage.duckdb.read.view_columns import attributes_json
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.metric_ports import MetricSeries
from longpole.storage.series_points import in_order, points_schema

if TYPE_CHECKING:
    import duckdb

_IDS = "longpole_series_ids"


class SeriesCache:
    """What segments hold, and the last answers that were not exact: asked again before new points
    came, the same object is the answer. Any thread may use it."""

    def __init__(self, most_rows: int = 1_000_000, most_answers: int = 4) -> None:
        self.kept = RedCubes(most_rows)
        self._most_answers = most_answers
        # By reference, or the points would stay in memory once they are sealed.
        self._answers: list[tuple[weakref.ref[pa.Table], tuple[int, ...], MetricSeries]] = []
        self._lock = threading.Lock()

    def answer(self, hot: pa.Table, numbers: tuple[int, ...]) -> MetricSeries | None:
        """The answer over these hot points and segments."""
        with self._lock:
            found = (a for of, held, a in self._answers if of() is hot and held == numbers)
            return next(found, None)

    def keep(self, hot: pa.Table, numbers: tuple[int, ...], answer: MetricSeries) -> None:
        """Keep an answer, and forget those over other hot points."""
        with self._lock:
            held = [one for one in self._answers if one[0]() is hot]
            self._answers = [*held[1 - self._most_answers :], (weakref.ref(hot), numbers, answer)]


def read_metric_series(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    time: TimeRange,
    is_exact: bool,
    cache: SeriesCache,
) -> MetricSeries:
    """Answer `MetricReader.metric_series`. What a segment holds is looked up once."""
    parts = [part for part in parts_of(snapshot, "metric_points") if _overlaps(part, time)]
    if is_exact:
        return _together(connection, parts, time, True, cache.kept)
    hot = snapshot.hot["metric_points"]
    numbers = tuple(part.segment.segment_id for part in parts if part.segment)
    known = cache.answer(hot, numbers)
    if known is None:
        known = _together(connection, parts, time, False, cache.kept)
        cache.keep(hot, numbers, known)
    return known


def _together(
    connection: duckdb.DuckDBPyConnection,
    parts: Sequence[Part],
    time: TimeRange,
    is_exact: bool,
    kept: RedCubes,
) -> MetricSeries:
    shapes = [POINT_SHAPES.empty_table()]
    series: dict[int, pa.Table] = {}
    known: set[int] = set()
    for place, part in enumerate(parts):
        found = _part_shapes(connection, part, time, is_exact, kept)
        shapes.append(found)
        unseen = set(found.column("series_id").unique().to_pylist()) - known
        if unseen:
            known |= unseen
            rows = _part_series(connection, part, kept)
            wanted = pa.array(sorted(unseen), pa.uint64())
            series[place] = rows.filter(pc.is_in(rows.column("series_id"), wanted))
    rows = pa.concat_tables([KNOWN_SERIES.empty_table(), *series.values()])
    return MetricSeries(rows.sort_by("series_id"), pa.concat_tables(shapes))


def read_series_points(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    series_ids: Sequence[int],
    time: TimeRange,
    columns: Sequence[str],
    most: int,
) -> pa.Table:
    """Answer `MetricReader.series_points`."""
    schema = points_schema(columns)
    found = [schema.empty_table()]
    ids = pa.array(series_ids, pa.uint64())
    connection.register(
        _IDS, pa.table({"series_id": ids, "place": pa.array(np.arange(len(ids), dtype=np.int32))})
    )
    left = most + 1
    # Older parts first: their points arrived first.
    for part in reversed(parts_of(snapshot, "metric_points")):
        if not _overlaps(part, time) or left <= 0 or not len(ids):
            continue
        sql = (
            f"SELECT i.place, s.time_unix_nano{''.join(', ' + _column(n) for n in columns)}"
            f" FROM {part.relation('metric_points')} s JOIN {_IDS} i"
            f" ON i.series_id = s.series_id WHERE {_in_time(time)} LIMIT {left:d}"
        )
        rows = arrow(connection, sql).cast(schema)
        left -= rows.num_rows
        found.append(rows)
    return in_order(pa.concat_tables(found))


def read_resource_times(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, time: TimeRange, step_ns: int
) -> pa.Table:
    """Answer `MetricReader.resource_times`."""
    selects = [
        f"SELECT m.resource_id, s.time_unix_nano AS t FROM {part.relation('metric_points')} s"
        f" JOIN (SELECT DISTINCT series_id, resource_id FROM {part.relation('metric_series')}) m"
        f" ON m.series_id = s.series_id WHERE {_in_time(time)}"
        for part in parts_of(snapshot, "metric_points")
        if _overlaps(part, time)
    ]
    if not selects:
        return RESOURCE_TIMES.empty_table()
    sql = (
        "SELECT resource_id, max(t) AS time_unix_nano FROM"
        f" ({' UNION ALL '.join(selects)}) GROUP BY resource_id, floor(t / {step_ns:d})"
        " ORDER BY resource_id, time_unix_nano"
    )
    return arrow(connection, sql).cast(RESOURCE_TIMES)


def _column(name: str) -> str:
    if name == "value":
        return "coalesce(s.value_double, CAST(s.value_int AS DOUBLE)) AS value"
    return f's."{name}"'


def _in_time(time: TimeRange) -> str:
    start, end = time.start_unix_nano, time.end_unix_nano
    return f"s.time_unix_nano >= {start:d} AND s.time_unix_nano < {end:d}"


def _overlaps(part: Part, time: TimeRange) -> bool:
    segment = part.segment
    return segment is None or (
        segment.max_unix_nano >= time.start_unix_nano and segment.min_unix_nano < time.end_unix_nano
    )


def _part_shapes(
    connection: duckdb.DuckDBPyConnection, part: Part, time: TimeRange, is_exact: bool,
    kept: RedCubes,
) -> pa.Table:  # fmt: skip
    segment = part.segment
    if segment is None:
        return _shapes(connection, part, _in_time(time) if is_exact else "true")
    is_whole = (
        segment.min_unix_nano >= time.start_unix_nano and segment.max_unix_nano < time.end_unix_nano
    )
    if is_exact and not is_whole:
        return _shapes(connection, part, _in_time(time))
    return kept.get(("shapes", segment.segment_id), lambda: _shapes(connection, part, "true"))


def _shapes(connection: duckdb.DuckDBPyConnection, part: Part, condition: str) -> pa.Table:
    ends = ", ".join(
        f"CAST(min({sign}_offset) AS BIGINT) AS {sign}_from,"
        f" CAST(max({sign}_offset + len({sign}_counts)) AS BIGINT) AS {sign}_to"
        for sign in ("positive", "negative")
    )
    sql = (
        "SELECT series_id, explicit_bounds, quantiles, sum IS NOT NULL AS has_sum, scale,"
        f" {ends} FROM {part.relation('metric_points')} s WHERE {condition}"
        " GROUP BY 1, 2, 3, 4, 5"
    )
    return arrow(connection, sql).select(POINT_SHAPES.names).cast(POINT_SHAPES)


def _part_series(connection: duckdb.DuckDBPyConnection, part: Part, kept: RedCubes) -> pa.Table:
    if part.segment is None:
        return _series(connection, part)
    return kept.get(("series", part.segment.segment_id), lambda: _series(connection, part))


def _series(connection: duckdb.DuckDBPyConnection, part: Part) -> pa.Table:
    fixed = "".join(f"x.{name}, " for name in KNOWN_SERIES.names[:-2])
    sql = (
        f"SELECT {fixed}{attributes_json('x')} AS attributes,"
        " coalesce(r.attributes, '{}') AS resource"
        f" FROM (SELECT DISTINCT ON (s.series_id) {model_columns(part, 'metric_series')}"
        f" FROM {part.relation('metric_series')} s) x"
        f" LEFT JOIN ({resource_attributes(part)}) r ON r.resource_id = x.resource_id"
    )
    return arrow(connection, sql).cast(KNOWN_SERIES)
