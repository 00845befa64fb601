"""Searches in an order: the first traces of it are taken from derived rows, then those kept of
which a span matches. So a common condition needs a look at few spans, and a rare one at all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longpole.model import columns
from longpole.model.query import TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.answers import FOUND_TRACES
from longpole.storage.duckdb.read.conditions import span_filter, trace_filter
from longpole.storage.duckdb.read.part import Part, halves, parts_of
from longpole.storage.duckdb.read.search import (
    IDS,
    PENDING,
    ids_by_part,
    notices_of,
    overlaps,
    plain_rows,
    unsettled_batches,
)
from longpole.storage.duckdb.read.stored_rows import WANTED, arrow
from longpole.storage.duckdb.read.views import latest_only
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.query_checks import refuse_bad_regexes
from longpole.storage.search_ports import (
    CLOCK_SLACK_NS,
    MOST_UNSETTLED,
    ORDER_COLUMNS,
    SearchedTraces,
    TraceOrder,
)

if TYPE_CHECKING:
    import duckdb

_CHOSEN = "longpole_chosen"
_SLACK = TimeRange().start_unix_nano + CLOCK_SLACK_NS


def search(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: TraceQuery,
    order: TraceOrder,
    roots: TimeRange,
    most: int,
    enough: int,
) -> SearchedTraces:
    """Answer `TraceSearcher.search_traces`."""
    refuse_bad_regexes(query)
    unsettled, notices = _unsettled(connection, snapshot, query, roots)
    notices += notices_of(snapshot, query)
    limit = (1 << 62) if query.limit is None else query.limit
    looked_at = None
    if not query.span_conditions:
        rows = _first(connection, snapshot, query, order, roots, limit + 1, unsettled)
    else:
        begun = _first(connection, snapshot, query, order, roots, most + 1, unsettled)
        is_all = begun.num_rows <= most
        rows = _matching(connection, snapshot, query, begun.slice(0, most))
        if not is_all and rows.num_rows < enough:
            *_, (ids, _) = ids_by_part(connection, snapshot, replace(query, limit=None))
            connection.register(_CHOSEN, ids)
            kept = _among(connection, unsettled)
            rows = _first(connection, snapshot, query, order, roots, limit + 1, kept, _CHOSEN)
        elif not is_all:
            looked_at = most
    found = rows.slice(0, limit)
    return SearchedTraces(found, found.num_rows < rows.num_rows, looked_at, notices)


def _unsettled(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, query: TraceQuery, roots: TimeRange
) -> tuple[pa.Table, tuple[str, ...]]:
    """Rows of the newest traces that are not settled and meet the trace conditions; registers
    all that are not settled as `PENDING`."""
    if not snapshot.pending:
        return FOUND_TRACES.empty_table(), ()
    hi, lo = halves(snapshot.pending)
    pending = pa.table({"trace_hi": hi, "trace_lo": lo}).cast(IDS)
    connection.register(PENDING, pending)
    found = [FOUND_TRACES.empty_table()]
    seen = 0
    for ids, _ in unsettled_batches(connection, snapshot, query, pending):
        found.append(plain_rows(connection, snapshot, query, ids))
        seen += ids.num_rows
        if seen >= MOST_UNSETTLED:
            break
    rows = pa.concat_tables(found)
    starts = rows.column("start_unix_nano").to_numpy()
    begun = (starts >= roots.start_unix_nano) & (starts < roots.end_unix_nano)
    left = pending.num_rows - seen
    notices = (f"{left:,} older traces that are still receiving spans were not looked at",)
    return rows.filter(pa.array(begun)), notices if left > 0 else ()


def _first(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: TraceQuery,
    order: TraceOrder,
    roots: TimeRange,
    count: int,
    unsettled: pa.Table,
    among: str = "",
) -> pa.Table:
    """The first traces of an order, those of `unsettled` with them; of settled ones only those
    whose ids are in the relation `among`, when one is named."""
    column = ORDER_COLUMNS[order]
    parameters: list[object] = []
    checks = [f"s.start_unix_nano >= {roots.start_unix_nano}"]
    checks.append(f"s.start_unix_nano < {roots.end_unix_nano}")
    if snapshot.superseded.num_rows:
        checks.append(latest_only("s"))
    for name, sign in ((PENDING if snapshot.pending else "", "ANTI"), (among, "SEMI")):
        if name:
            negation = "NOT " if sign == "ANTI" else ""
            checks.append(
                f"{negation}EXISTS (SELECT 1 FROM {name} p"
                " WHERE p.trace_hi = s.trace_hi AND p.trace_lo = s.trace_lo)"
            )
    where = " AND ".join([*checks, trace_filter(query.trace_conditions, parameters)])
    parts = [part for part in parts_of(snapshot, "traces") if _may_begin_in(part, roots)]
    least = _least_key(connection, parts, order, where, parameters, count)
    settled = FOUND_TRACES.empty_table()
    if least is not None:
        key, start = least
        names = ", ".join(f"s.{name}" for name in columns.TRACES.names)
        cut = f"({column} > {key} OR ({column} = {key} AND start_unix_nano >= {start}))"
        if order is TraceOrder.NEWEST:
            parts = [part for part in parts if part.newest_unix_nano >= start]
        union = " UNION ALL ".join(
            f"SELECT {names} FROM {part.relation('traces')} s WHERE {where} AND {cut}"
            for part in parts
        )
        rows = arrow(connection, union, parameters * len(parts)).cast(columns.TRACES)
        is_settled = pa.array(np.ones(rows.num_rows, np.bool_))
        settled = rows.append_column(FOUND_TRACES.field("is_settled"), is_settled)
    merged = pa.concat_tables([settled.cast(FOUND_TRACES), unsettled])
    by = [] if column == "start_unix_nano" else [(column, "descending")]
    by += [("start_unix_nano", "descending"), ("trace_hi", "ascending"), ("trace_lo", "ascending")]
    return merged.sort_by(by).slice(0, count)


def _may_begin_in(part: Part, roots: TimeRange) -> bool:
    segment = part.segment
    return segment is None or (
        segment.max_unix_nano >= roots.start_unix_nano
        and segment.min_unix_nano < roots.end_unix_nano
    )


def _least_key(
    connection: duckdb.DuckDBPyConnection,
    parts: list[Part],
    order: TraceOrder,
    where: str,
    parameters: list[object],
    count: int,
) -> tuple[int, int] | None:
    """As `_least`, of the rows of those parts that are `where`.

    In order of time the parts are read one by one, newest first, until none of what is left can
    come among the first: the page that is asked for most then reads one part of many.
    """
    selects = [
        f"SELECT {ORDER_COLUMNS[order]} AS k, start_unix_nano AS t"
        f" FROM {part.plain('traces')} s WHERE {where}"
        for part in parts
    ]
    if order is not TraceOrder.NEWEST:
        selects = [" UNION ALL ".join(selects)] if selects else []
    keys, starts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for place, sql in enumerate(selects):
        if order is TraceOrder.NEWEST:
            before = parts[place].newest_unix_nano
            if sum(int((begun > before).sum()) for begun in starts) >= count:
                break
        bound = parameters if order is TraceOrder.NEWEST else parameters * len(parts)
        rows = arrow(connection, sql, bound)
        keys.append(rows.column("k").to_numpy())
        starts.append(rows.column("t").to_numpy())
    return _least(np.concatenate(keys), np.concatenate(starts), count)


def _least(
    keys: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], count: int
) -> tuple[int, int] | None:
    """The key and start from which on the first `count` rows lie, and few more; None for no
    rows. Partitioning a million keys is ten times as fast as letting SQL sort the rows."""
    if not keys.size:
        return None
    if keys.size <= count:
        return int(keys.min()), int(starts.min())
    key = np.partition(keys, keys.size - count)[keys.size - count]
    above = int((keys > key).sum())
    ties = starts[keys == key]
    wanted = count - above
    return int(key), int(np.partition(ties, ties.size - wanted)[ties.size - wanted])


def _matching(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, query: TraceQuery, begun: pa.Table
) -> pa.Table:
    """Those of which a span meets the span conditions, in the same order."""
    if not begun.num_rows:
        return begun
    connection.register(WANTED, begun.select(["trace_hi", "trace_lo"]))
    first = max(pc.min(begun.column("start_unix_nano")).as_py(), _SLACK) - CLOCK_SLACK_NS
    begin = min(max(query.time.start_unix_nano, first), query.time.end_unix_nano)
    narrowed = replace(query, time=replace(query.time, start_unix_nano=begin))
    parameters: list[object] = []
    selects = [
        f"SELECT s.trace_hi, s.trace_lo FROM {part.relation('spans')} s"
        f" JOIN {WANTED} w ON w.trace_hi = s.trace_hi AND w.trace_lo = s.trace_lo"
        f" WHERE {span_filter(part, narrowed, snapshot.attribute_types, parameters)}"
        for part in parts_of(snapshot, "spans")
        if overlaps(part, narrowed)
    ]
    if not selects:
        return begun.slice(0, 0)
    union = " UNION ALL ".join(selects)
    connection.register(_CHOSEN, arrow(connection, f"SELECT DISTINCT * FROM ({union})", parameters))
    return _among(connection, begun)


def _among(connection: duckdb.DuckDBPyConnection, rows: pa.Table) -> pa.Table:
    """The rows whose ids are in `_CHOSEN`, in the same order."""
    places = pa.array(np.arange(rows.num_rows))
    connection.register(WANTED, rows.select(["trace_hi", "trace_lo"]).append_column("n", places))
    sql = f"SELECT n FROM {WANTED} SEMI JOIN {_CHOSEN} USING (trace_hi, trace_lo) ORDER BY n"
    return rows.take(arrow(connection, sql).column("n"))
