"""Finds the newest traces of which a span matches: those that began after a time, where there are
enough of them, and else all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from longpole.model.query import TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.answers import FOUND_TRACES
from longpole.storage.duckdb.read.conditions import trace_filter
from longpole.storage.duckdb.read.ordered_search import settled_rows, visible
from longpole.storage.duckdb.read.part import parts_of
from longpole.storage.duckdb.read.search import (
    DATED,
    IDS,
    PENDING,
    found_rows,
    ids_by_part,
    matches_of,
    notices_of,
    with_unsettled,
)
from longpole.storage.duckdb.read.stored_rows import arrow
from longpole.storage.duckdb.read.trace_rows import TraceRows
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.ports import FoundTraces
from longpole.storage.query_checks import refuse_bad_regexes
from longpole.storage.search_ports import CLOCK_SLACK_NS

if TYPE_CHECKING:
    import duckdb

_CHOSEN = "longpole_chosen"
# So many times the limit match after a time before one looks whether enough traces began then.
_TIMES_THE_LIMIT = (4, 64)
_BEYOND = 64
_END = TimeRange().end_unix_nano


def find(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: TraceQuery,
    known: TraceRows | None = None,
) -> FoundTraces:
    """Answer `TraceReader.find_traces`.

    Segments are read newest first. Once more traces than the limit start after everything
    that is left, the rest is not read: a span does not start before its root, save by a
    sender's wrong clock, which can then hide a trace below newer ones. Within what was read
    a clock may be wrong by `CLOCK_SLACK_NS`.
    """
    refuse_bad_regexes(query)
    rows = FOUND_TRACES.empty_table()
    schema = IDS if query.limit is None else DATED
    for ids, rest_before in ids_by_part(connection, snapshot, query, schema):
        newest = _newest(connection, snapshot, query, ids, rest_before)
        if newest is not None:
            rows = newest
            break
        matches = matches_of(connection, snapshot, query, ids, known=known)
        rows = found_rows(connection, snapshot, query, matches)
        if query.limit is not None and rest_before is not None:
            starts = rows.column("start_unix_nano").to_numpy()
            if int((starts > rest_before).sum()) > query.limit:
                break
    kept = rows if query.limit is None else rows.slice(0, query.limit)
    return FoundTraces(kept, kept.num_rows < rows.num_rows, notices_of(snapshot, query))


def _newest(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: TraceQuery,
    ids: pa.Table | None,
    rest_before: int | None,
) -> pa.Table | None:
    """More rows than the limit, newest first, that are the newest of all; None where it takes a
    look at every match to know them."""
    if ids is None or query.limit is None:
        return None
    for since in _moments(ids, query.limit):
        if rest_before is not None and since <= rest_before:
            return None
        rows = _begun_since(connection, snapshot, query, ids, since)
        if int((rows.column("start_unix_nano").to_numpy() >= since).sum()) > query.limit:
            return rows
    return None


def _moments(ids: pa.Table, limit: int) -> Iterator[int]:
    """Times after which a multiple of the limit matches, but not everything."""
    newest = ids.column("newest").to_numpy()
    for times in _TIMES_THE_LIMIT:
        rank = limit * times + _BEYOND
        if rank > newest.size:
            return
        yield int(np.partition(newest, newest.size - rank)[newest.size - rank])


def _begun_since(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: TraceQuery,
    ids: pa.Table,
    since: int,
) -> pa.Table:
    """Rows of those traces, newest first, with all that began at `since` or later."""
    newest = ids.column("newest").to_numpy()
    chosen = ids.filter(pa.array(newest >= since - CLOCK_SLACK_NS)).select(IDS.names)
    hi, lo = snapshot.pending.halves
    connection.register(PENDING, pa.table({"trace_hi": hi, "trace_lo": lo}).cast(IDS))
    connection.register(_CHOSEN, chosen)
    parameters: list[object] = []
    where = f"{visible(snapshot, TimeRange(since, _END))} AND " + trace_filter(
        query.trace_conditions, parameters
    )
    parts = [part for part in parts_of(snapshot, "traces") if part.newest_unix_nano >= since]
    settled = settled_rows(connection, parts, where, parameters, _CHOSEN)
    unsettled = IDS.empty_table()
    if snapshot.pending:
        sql = f"SELECT * FROM {_CHOSEN} SEMI JOIN {PENDING} USING (trace_hi, trace_lo)"
        unsettled = arrow(connection, sql).cast(IDS)
    return with_unsettled(connection, snapshot, query, settled, unsettled)
