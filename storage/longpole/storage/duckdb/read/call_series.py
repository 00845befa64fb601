"""Counts calls between services from spans.

What is decided within a segment is added up once and kept. Traces may lie in several segments, so
the ends of calls that found no other side in their own are kept too, and meet each other in the
answer:

    segment 1   client ──▶ server       added up
                client ──▶ ?            ┐
    segment 2              ? ──▶ server ┴ a call after all
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa

from longpole.model.columns import RED_BOUNDS_NS
from longpole.model.span import SpanKind, StatusCode
from longpole.storage.answers import CALL_SERIES
from longpole.storage.call_ports import (
    DATABASE,
    DATABASE_TYPE,
    MESSAGING,
    PEER_ADDRESS,
    PEER_PORT,
    PEER_SERVICE,
    SERVER_ADDRESS,
    USER,
    VIRTUAL,
)
from longpole.storage.duckdb.read.attributes import has_key, value_as
from longpole.storage.duckdb.read.made_of_hot import MadeOfHot
from longpole.storage.duckdb.read.part import Part, parts_of
from longpole.storage.duckdb.read.red_series import RedCubes, cube_step
from longpole.storage.duckdb.read.stored_rows import arrow
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.red_answers import CallSeriesQuery

if TYPE_CHECKING:
    import duckdb

_Tables: TypeAlias = tuple[pa.Table, pa.Table]
_CLIENT, _SERVER = int(SpanKind.CLIENT), int(SpanKind.SERVER)
_PRODUCER, _CONSUMER = int(SpanKind.PRODUCER), int(SpanKind.CONSUMER)
_KEY = "client, server, connection_type"
_ENDS = "longpole_call_ends"
_BUCKETS = tuple(
    f"{side}_b{place}" for side in ("client", "server") for place in range(len(RED_BOUNDS_NS) + 1)
)
_SUMS = ("count", "failed", "client_ns", "server_ns", *_BUCKETS)


class CallCubes:
    """Sums and loose ends of segments, and those of the last hot rows. Any thread may use it."""

    def __init__(self, most_rows: int = 2_000_000) -> None:
        self._kept = RedCubes(most_rows)
        self._hot = MadeOfHot[_Tables]()

    def of(self, connection: duckdb.DuckDBPyConnection, part: Part, step: int) -> _Tables:
        """The sums and the loose ends of one part."""
        if part.segment is not None:
            number = part.segment.segment_id
            return (
                self._kept.get((number, step), lambda: _decided(connection, part, step)),
                self._kept.get((number, "loose"), lambda: _loose(connection, part)),
            )
        return self._hot.get(
            step,
            (part.hot["spans"],),
            lambda: (_decided(connection, part, step), _loose(connection, part)),
        )


def read_call_series(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: CallSeriesQuery,
    cubes: CallCubes,
) -> pa.Table:
    """Answer `CallReader.call_series`."""
    step = cube_step(query.step_ns)
    found = [cubes.of(connection, part, step) for part in parts_of(snapshot, "spans")]
    if not found:
        return CALL_SERIES.empty_table()
    connection.register("longpole_call_sums", pa.concat_tables([sums for sums, _ in found]))
    connection.register(_ENDS, pa.concat_tables([loose for _, loose in found]))
    at = f"step - step % {query.step_ns:d}"
    if not query.by_step:
        at = f"CAST({query.time.start_unix_nano:d} AS BIGINT)"
    totals = ", ".join(f"sum({name}) AS {name}" for name in _SUMS)
    lists = {
        side: ", ".join(f"CAST({name} AS BIGINT)" for name in _BUCKETS if name.startswith(side))
        for side in ("client", "server")
    }
    sql = (
        f"WITH ends AS (SELECT * FROM {_ENDS}), {_PAIRS}, late AS ({_LATE}),"
        " everything AS (SELECT * FROM longpole_call_sums UNION ALL BY NAME"
        f" {_summed('late', step)}),"
        f" summed AS (SELECT {at} AS step_unix_nano, {_KEY}, {totals} FROM everything"
        f" WHERE step >= {query.time.start_unix_nano:d} AND step < {query.time.end_unix_nano:d}"
        " GROUP BY ALL)"
        f" SELECT step_unix_nano, {_KEY}, CAST(count AS BIGINT) AS count,"
        f" CAST(failed AS BIGINT) AS failed, client_ns, [{lists['client']}] AS client_buckets,"
        f" server_ns, [{lists['server']}] AS server_buckets FROM summed"
        f" ORDER BY step_unix_nano, {_KEY}"
    )
    return arrow(connection, sql).cast(CALL_SERIES)


# A client end and a server end of one call meet.
_PAIRS = (
    "pairs AS (SELECT c.service AS client, s.service AS server,"
    f" CASE WHEN c.kind = {_PRODUCER} THEN '{MESSAGING}' ELSE '' END AS connection_type,"
    " c.end_ns, c.ns AS client_ns, s.ns AS server_ns, c.is_error OR s.is_error AS is_failed,"
    " c.row_id AS client_row, s.row_id AS server_row"
    " FROM ends c JOIN ends s ON s.trace_hi = c.trace_hi AND s.trace_lo = c.trace_lo"
    " AND s.parent_span_id = c.span_id"
    f" WHERE (c.kind = {_CLIENT} AND s.kind = {_SERVER})"
    f" OR (c.kind = {_PRODUCER} AND s.kind = {_CONSUMER}))"
)
_CALL = f"{_KEY}, end_ns, client_ns, server_ns, is_failed"
# Of ends that found no other side anywhere, a client that names its peer has called it.
_LATE = (
    f"SELECT {_CALL} FROM pairs UNION ALL"
    f" SELECT service, peer, '{VIRTUAL}', end_ns, ns, ns, is_error FROM ends"
    f" WHERE kind = {_CLIENT} AND peer <> ''"
    " AND row_id NOT IN (SELECT client_row FROM pairs)"
)


def _decided(connection: duckdb.DuckDBPyConnection, part: Part, step: int) -> pa.Table:
    """The sums of calls that need no other part."""
    calls = (
        f"SELECT {_CALL} FROM pairs UNION ALL"
        f" SELECT service, database, '{DATABASE_TYPE}', end_ns, ns, ns, is_error FROM spans"
        f" WHERE is_database UNION ALL SELECT '{USER}', service, '{VIRTUAL}', end_ns, ns, ns,"
        f" is_error FROM spans WHERE kind = {_SERVER} AND parent_span_id = 0"
    )
    sql = f"WITH {_spans(part)}, {_PAIRS}, calls AS ({calls}) {_summed('calls', step)}"
    return arrow(connection, sql)


def _loose(connection: duckdb.DuckDBPyConnection, part: Part) -> pa.Table:
    """The ends that have no other side here and may have one elsewhere. (A client that met one
    server here does not meet a second one elsewhere; compaction brings them together.)"""
    sql = (
        f"WITH {_spans(part)}, {_PAIRS} SELECT * FROM ends"
        f" WHERE (kind IN ({_CLIENT}, {_PRODUCER})"
        " AND row_id NOT IN (SELECT client_row FROM pairs))"
        f" OR (kind IN ({_SERVER}, {_CONSUMER}) AND parent_span_id <> 0"
        " AND row_id NOT IN (SELECT server_row FROM pairs))"
    )
    return arrow(connection, sql)


def _spans(part: Part) -> str:
    """The ends of calls in a part, each span once, as `spans`; those that look for another side
    as `ends`."""

    def text(key: str) -> str:
        return f"coalesce({value_as(part, 'spans', 's', key, 'VARCHAR')}, '')"

    port = f"CASE WHEN {text(PEER_PORT)} <> '' THEN ':' || {text(PEER_PORT)} ELSE '' END"
    address = f"CASE WHEN {text(PEER_ADDRESS)} <> '' THEN {text(PEER_ADDRESS)} || {port} END"
    names = [text(PEER_SERVICE), text(SERVER_ADDRESS), address, *(text(key) for key in DATABASE)]
    database = f"coalesce({', '.join(f'nullif({name}, {chr(39) * 2})' for name in names)}, '')"
    is_database = " OR ".join(has_key(part, "spans", "s", key) for key in DATABASE)
    return (
        "spans AS (SELECT DISTINCT ON (trace_hi, trace_lo, span_id, kind, start_unix_nano,"
        " duration_ns, service, status_code) * FROM (SELECT s.trace_hi, s.trace_lo, s.span_id,"
        " s.parent_span_id, s.kind, s.row_id, s.service_name AS service, s.status_code,"
        " s.start_unix_nano, s.duration_ns, s.start_unix_nano + s.duration_ns AS end_ns,"
        f" greatest(s.duration_ns, 0) AS ns, s.status_code = {int(StatusCode.ERROR)} AS is_error,"
        f" {text(PEER_SERVICE)} AS peer, {database} AS database,"
        f" s.kind = {_CLIENT} AND ({is_database}) AS is_database"
        f" FROM {part.relation('spans')} s"
        f" WHERE s.kind IN ({_SERVER}, {_CLIENT}, {_PRODUCER}, {_CONSUMER})"
        " AND s.start_unix_nano >= 0 AND s.start_unix_nano < 4611686018427387904"
        " AND s.duration_ns < 4611686018427387904)),"
        " ends AS (SELECT trace_hi, trace_lo, span_id, parent_span_id, kind, row_id, service,"
        " end_ns, ns, is_error, peer FROM spans WHERE NOT is_database)"
    )


def _summed(calls: str, step: int) -> str:
    """SQL for the sums of calls by step and key."""
    edges = [-1, *RED_BOUNDS_NS]
    buckets = ", ".join(
        f"CAST(count(*) FILTER (WHERE {side}_ns > {low}"
        + (f" AND {side}_ns <= {edges[place + 1]}" if place + 1 < len(edges) else "")
        + f") AS BIGINT) AS {side}_b{place}"
        for side in ("client", "server")
        for place, low in enumerate(edges)
    )
    return (
        f"SELECT end_ns - end_ns % {step:d} AS step, {_KEY}, CAST(count(*) AS BIGINT) AS count,"
        " CAST(count(*) FILTER (WHERE is_failed) AS BIGINT) AS failed,"
        " sum(CAST(client_ns AS DOUBLE)) AS client_ns, sum(CAST(server_ns AS DOUBLE)) AS server_ns,"
        f" {buckets} FROM {calls} WHERE end_ns >= 0 GROUP BY ALL"
    )
