"""Finds traces: matching spans part by part, then one row for each trace, newest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from longpole.model import columns
from longpole.model.ids import InvalidId, parse_trace_id
from longpole.model.query import Comparison, Field, TraceQuery
from longpole.storage.answers import FOUND_TRACES
from longpole.storage.duckdb.read.conditions import span_filter, trace_filter
from longpole.storage.duckdb.read.hot_rows import in_schema, newest_starts
from longpole.storage.duckdb.read.part import Part, halves, parts_of
from longpole.storage.duckdb.read.settled_lookup import FEW, look_up
from longpole.storage.duckdb.read.stored_rows import WANTED, arrow
from longpole.storage.duckdb.read.trace_rows import TraceRows
from longpole.storage.duckdb.read.views import latest_only
from longpole.storage.duckdb.read.whole import read_whole_traces
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.query_checks import unknown_key_notices

if TYPE_CHECKING:
    import duckdb

PENDING = "longpole_pending"
IDS = pa.schema([columns.TRACES.field("trace_hi"), columns.TRACES.field("trace_lo")])
DATED = pa.schema([*IDS, pa.field("newest", pa.int64())])
_NEWEST_FIRST = [
    ("start_unix_nano", "descending"),
    ("trace_hi", "ascending"),
    ("trace_lo", "ascending"),
]


_NEWEST_FIRST_SQL = "start_unix_nano DESC, trace_hi, trace_lo"
_BATCH = 256  # unsettled traces that are summed up at a time when there is a limit


@dataclass(frozen=True, slots=True)
class Matches:
    """Matching traces: rows of the settled ones, ids (hi, lo) of the others that may match
    (their trace conditions are not looked at yet)."""

    settled: pa.Table
    unsettled: pa.Table


def all_matches(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: TraceQuery,
    names: Sequence[str] = columns.TRACES.names,
) -> Matches:
    """Every matching trace, whatever the limit; `names` are the columns of the settled ones."""
    unlimited = TraceQuery(query.conditions, query.time, None)
    *_, (ids, _) = ids_by_part(connection, snapshot, unlimited)
    return matches_of(connection, snapshot, unlimited, ids, names)


def matching_ids(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, query: TraceQuery
) -> pa.Table:
    """trace_hi and trace_lo of every matching trace, each once, in no order. Without conditions
    on whole traces it makes no difference which of them are settled, so that is not looked at."""
    if not query.trace_conditions:
        unlimited = TraceQuery(query.conditions, query.time, None)
        *_, (ids, _) = ids_by_part(connection, snapshot, unlimited)
        if ids is not None:
            return ids
        parts = parts_of(snapshot, "spans")
        return _distinct(
            [
                IDS.empty_table(),
                *(_matching_ids(connection, p, snapshot, query, None) for p in parts),
            ]
        )
    matches = all_matches(connection, snapshot, query, IDS.names)
    rows = plain_rows(connection, snapshot, query, matches.unsettled)
    return pa.concat_tables([matches.settled.cast(IDS), rows.select(IDS.names).cast(IDS)])


def notices_of(snapshot: Snapshot, query: TraceQuery) -> tuple[str, ...]:
    """What the person who asked should know."""
    keys = snapshot.attribute_types
    unknown = unknown_key_notices(
        query,
        (key for scope, key in keys if scope == "span"),
        (key for scope, key in keys if scope == "resource"),
    )
    return unknown + state_notices(snapshot)


def state_notices(snapshot: Snapshot) -> tuple[str, ...]:
    """Warnings about data that is not in the answer: the journal is still being read after a
    start, or something was lost."""
    if snapshot.is_replayed:
        return snapshot.losses
    replay = "the journal is still being replayed: recent data may be missing here"
    return (replay, *snapshot.losses)


def ids_by_part(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: TraceQuery,
    schema: pa.Schema = IDS,
) -> Iterator[tuple[pa.Table | None, int | None]]:
    """Ids of traces with a matching span, growing part by part, each time with the newest
    time of what is left (None at the end). Ids None: every trace. With `DATED`, each id comes with
    the start of its newest matching span."""
    pinned = _pinned(query)
    if pinned is None and query.time.is_unbounded and not query.span_conditions:
        yield None, None
        return
    hi, lo = halves(sorted(pinned or ()))
    parts = [
        part
        for part in parts_of(snapshot, "spans")
        if overlaps(part, query) and (pinned is None or part.may_hold(hi, lo))
    ]
    found = [schema.empty_table()]
    for position, part in enumerate(parts):
        found.append(_matching_ids(connection, part, snapshot, query, pinned, schema))
        rest = [p.segment.max_unix_nano for p in parts[position + 1 :] if p.segment]
        is_enough = query.limit is not None and sum(t.num_rows for t in found) > query.limit
        if rest and is_enough:
            yield _distinct(found), max(rest)
    yield _distinct(found), None


def _pinned(query: TraceQuery) -> frozenset[int] | None:
    """The only trace that can match, when the query names one."""
    for condition in query.trace_conditions:
        if condition.field is Field.TRACE_ID and condition.comparison is Comparison.EQ:
            try:
                return frozenset({parse_trace_id(str(condition.value))})
            except InvalidId:
                return frozenset()
    return None


def overlaps(part: Part, query: TraceQuery) -> bool:
    segment = part.segment
    return segment is None or (
        segment.max_unix_nano >= query.time.start_unix_nano
        and segment.min_unix_nano < query.time.end_unix_nano
    )


def _matching_ids(
    connection: duckdb.DuckDBPyConnection,
    part: Part,
    snapshot: Snapshot,
    query: TraceQuery,
    pinned: frozenset[int] | None,
    schema: pa.Schema = IDS,
) -> pa.Table:
    parameters: list[object] = []
    condition = span_filter(part, query, snapshot.attribute_types, parameters)
    if pinned is not None:
        hi, lo = halves(sorted(pinned))
        condition += " AND s.trace_hi = ? AND s.trace_lo = ?" if pinned else " AND false"
        parameters += [int(hi[0]), int(lo[0])] if pinned else []
    newest = ", max(s.start_unix_nano) AS newest" if "newest" in schema.names else ""
    sql = (
        f"SELECT s.trace_hi, s.trace_lo{newest} FROM {part.plain('spans')} s"
        f" WHERE {condition} GROUP BY s.trace_hi, s.trace_lo"
    )
    return arrow(connection, sql, parameters).cast(schema)


def _distinct(tables: list[pa.Table]) -> pa.Table:
    """The rows of tables of which each has an id once."""
    held = [table for table in tables if table.num_rows]
    if len(held) < 2:
        return held[0] if held else tables[0]
    schema = tables[0].schema
    newest = [("newest", "max")] if "newest" in schema.names else []
    whole = pa.concat_tables(held).group_by(IDS.names).aggregate(newest)
    return whole.rename_columns(schema.names).cast(schema)


def matches_of(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: TraceQuery,
    ids: pa.Table | None,
    shown: Sequence[str] = columns.TRACES.names,
    known: TraceRows | None = None,
) -> Matches:
    """Derived rows of the settled ones among `ids` (None: of all) that meet the trace
    conditions, their columns `shown`, and which of them are not settled. With `known`, few ids
    are looked up where their rows lie."""
    pending_hi, pending_lo = snapshot.pending.halves
    pending = pa.table({"trace_hi": pending_hi, "trace_lo": pending_lo}, schema=IDS)
    connection.register(PENDING, pending)
    parameters: list[object] = []
    condition = trace_filter(query.trace_conditions, parameters)
    names = ", ".join(f"s.{name}" for name in columns.TRACES.names)
    joined = ""
    if ids is not None:
        connection.register(WANTED, ids)
        joined = f" JOIN {WANTED} w ON w.trace_hi = s.trace_hi AND w.trace_lo = s.trace_lo"
    checks = [latest_only("s")] if snapshot.superseded.num_rows else []
    if pending.num_rows:
        checks.append(
            f"NOT EXISTS (SELECT 1 FROM {PENDING} p"
            " WHERE p.trace_hi = s.trace_hi AND p.trace_lo = s.trace_lo)"
        )
    selects = [
        f"SELECT {names} FROM {part.relation('traces')} s{joined}"
        f" WHERE {' AND '.join(checks) or 'true'}"
        for part in parts_of(snapshot, "traces")
    ]
    if not selects:
        empty = columns.TRACES.empty_table().select(list(shown))
        return Matches(empty, pending if ids is None else ids)
    union = " UNION ALL ".join(selects)
    if ids is None:
        # Every trace is settled or pending, so nothing beyond the limit need be looked at.
        sql = f"SELECT {', '.join(shown)} FROM ({union}) WHERE {condition}"
        if query.limit is not None:
            sql += f" ORDER BY {_NEWEST_FIRST_SQL} LIMIT {query.limit + 1}"
        schema = pa.schema([columns.TRACES.field(name) for name in shown])
        return Matches(arrow(connection, sql, parameters).cast(schema), pending)
    if ids.num_rows <= FEW:
        visible = " AND ".join(checks) or "true"
        settled = look_up(connection, snapshot, ids.select(IDS.names), visible, known)
    else:
        settled = arrow(connection, union).cast(columns.TRACES)
    connection.register("longpole_settled", settled.select(["trace_hi", "trace_lo"]))
    sql = (
        f"SELECT trace_hi, trace_lo FROM {WANTED}"
        " ANTI JOIN longpole_settled USING (trace_hi, trace_lo)"
    )
    unsettled = arrow(connection, sql).cast(IDS)
    if query.trace_conditions:
        connection.register("longpole_rows", settled)
        sql = f"SELECT * FROM longpole_rows WHERE {condition}"
        settled = arrow(connection, sql, parameters).cast(columns.TRACES)
    return Matches(settled.select(list(shown)), unsettled)


def found_rows(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: TraceQuery,
    matches: Matches,
) -> pa.Table:
    """All rows of `FoundTraces`, newest first."""
    settled = matches.settled.append_column(
        FOUND_TRACES.field("is_settled"), pa.array(np.ones(matches.settled.num_rows, np.bool_))
    )
    return with_unsettled(
        connection, snapshot, query, settled.cast(FOUND_TRACES), matches.unsettled
    )


def with_unsettled(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: TraceQuery,
    settled: pa.Table,
    unsettled: pa.Table,
) -> pa.Table:
    """Rows of settled traces and those of the ids of others, newest first. With a limit, rows
    beyond it may be missing."""
    rows = settled.sort_by(_NEWEST_FIRST)
    for ids, newest in _unsettled_batches(connection, snapshot, query, unsettled):
        is_full = query.limit is not None and rows.num_rows > query.limit
        if is_full and newest is not None:
            # No root starts after the newest span of its trace: the rest cannot come in.
            last_start = rows.column("start_unix_nano")[query.limit].as_py()
            if newest < last_start:
                break
        plain = plain_rows(connection, snapshot, query, ids)
        rows = pa.concat_tables([rows, plain]).sort_by(_NEWEST_FIRST)
    return rows


def newest_unsettled(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, ids: pa.Table, most: int
) -> pa.Table:
    """At most so many of these ids, those with the newest spans."""
    if ids.num_rows <= most:
        return ids
    known = _newest_hot(snapshot, ids, most)
    if known is not None:
        return known
    return _newest_first(connection, snapshot, ids, most).select(ids.column_names)


def _newest_hot(snapshot: Snapshot, ids: pa.Table, most: int) -> pa.Table | None:
    """The same from hot spans alone, where nothing that is sealed can be as new."""
    hi, lo = (ids.column(name).to_numpy() for name in ("trace_hi", "trace_lo"))
    newest = newest_starts(snapshot.hot["spans"], hi, lo)
    if newest is None:
        return None
    first = np.argpartition(newest, newest.size - most)[newest.size - most :]
    sealed = (segment.max_unix_nano for segment in snapshot.segments_of("spans"))
    if any(last >= newest[first].min() for last in sealed):
        return None
    return ids.take(pa.array(first))


def _unsettled_batches(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, query: TraceQuery, ids: pa.Table
) -> Iterator[tuple[pa.Table, int | None]]:
    """The ids as they are when they are few or all are wanted; else in batches, those with the
    newest spans first, each with its newest span start."""
    if query.limit is None or ids.num_rows <= _BATCH:
        yield ids, None
        return
    ordered = _newest_first(connection, snapshot, ids, ids.num_rows)
    for start in range(0, ordered.num_rows, _BATCH):
        batch = ordered.slice(start, _BATCH)
        yield batch.select(["trace_hi", "trace_lo"]), batch.column("newest")[0].as_py()


def _newest_first(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, ids: pa.Table, most: int
) -> pa.Table:
    """Ids with the start of their newest span as `newest`, in descending order of it."""
    connection.register(WANTED, ids)
    parts = parts_of(snapshot, "spans")
    union = " UNION ALL ".join(
        f"SELECT trace_hi, trace_lo, start_unix_nano FROM {part.plain('spans')}"
        for part in _holding(parts, ids)
    )
    return arrow(
        connection,
        f"SELECT trace_hi, trace_lo, max(start_unix_nano) AS newest FROM ({union})"
        f" JOIN {WANTED} USING (trace_hi, trace_lo) GROUP BY trace_hi, trace_lo"
        f" ORDER BY newest DESC LIMIT {most}",
    )


def _holding(parts: list[Part], ids: pa.Table) -> list[Part]:
    hi, lo = (ids.column(name).to_numpy() for name in ("trace_hi", "trace_lo"))
    return [part for part in parts if part.may_hold(hi, lo)]


def plain_rows(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: TraceQuery,
    ids: pa.Table,
) -> pa.Table:
    """Rows of traces that are not settled, by the plain rule, if they meet the conditions."""
    if not ids.num_rows:
        return FOUND_TRACES.empty_table()
    pairs = zip(ids.column("trace_hi").to_pylist(), ids.column("trace_lo").to_pylist(), strict=True)
    whole = read_whole_traces(connection, snapshot, [hi << 64 | lo for hi, lo in pairs], ())
    hi, lo = halves(state.trace_id for state in whole.traces)
    revisions = [state.revision - 1 for state in whole.traces]
    connection.register("longpole_whole", whole.spans)
    connection.register(
        "longpole_states", pa.table({"trace_hi": hi, "trace_lo": lo, "revision": revisions})
    )
    parameters: list[object] = []
    condition = trace_filter(query.trace_conditions, parameters)
    names = ", ".join(FOUND_TRACES.names)
    sql = f"SELECT {names} FROM ({_PLAIN_ROWS}) WHERE {condition}"
    return in_schema(arrow(connection, sql, parameters), FOUND_TRACES)


# The root is the longest span without a parent, else the longest span; of equally long ones
# the earliest, then the one with the lowest id.
_PLAIN_ROWS = """
    SELECT trace_hi, trace_lo, revision, root.span_id AS root_span_id,
           root.service_name AS root_service, root.name AS root_operation,
           root.start_unix_nano AS start_unix_nano, root.duration_ns AS duration_ns,
           span_count, error_count, service_count, 0 AS orphans, headless, 0 AS late,
           0 AS skew_shifts, 0 AS detached, 0 AS ambiguous_ns, '' AS verdict, '' AS clocks,
           false AS is_settled
    FROM (
        SELECT trace_hi, trace_lo, count(*) AS span_count,
               count(*) FILTER (status_code = 2) AS error_count,
               count(DISTINCT service_name) AS service_count,
               bool_and(parent_span_id <> 0) AS headless,
               first(struct_pack(span_id, service_name, name, start_unix_nano, duration_ns)
                     ORDER BY parent_span_id <> 0, duration_ns DESC, start_unix_nano, span_id)
                   AS root
        FROM longpole_whole GROUP BY trace_hi, trace_lo
    ) JOIN longpole_states USING (trace_hi, trace_lo)
"""
