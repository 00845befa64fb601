"""Finds log records, part by part from the newest, until the limit is full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from longpole.model.query import LogQuery
from longpole.storage.answers import FOUND_LOGS, LOG_COUNTS
from longpole.storage.duckdb.read.part import Part, halves, parts_of
from longpole.storage.duckdb.read.search import state_notices
from longpole.storage.duckdb.read.stored_rows import WANTED, arrow, model_columns
from longpole.storage.duckdb.read.view_columns import attributes_json
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.ports import FoundLogs

if TYPE_CHECKING:
    import duckdb

# A record without a time of its own is as old as its observation.
_TIME = "CASE WHEN s.time_unix_nano = 0 THEN s.observed_time_unix_nano ELSE s.time_unix_nano END"
_FIXED = FOUND_LOGS.names[1:-2]
_NEWEST_FIRST = [("time_unix_nano", "descending"), ("row_id", "descending")]


def read_found_logs(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, query: LogQuery
) -> FoundLogs:
    """Answer `TraceReader.find_logs`."""
    hi, lo = halves(sorted(set(query.trace_ids)))
    connection.register(WANTED, pa.table({"trace_hi": hi, "trace_lo": lo}))
    parts = [
        part
        for part in parts_of(snapshot, "logs")
        if _overlaps(part, query) and (not query.trace_ids or part.may_hold(hi, lo))
    ]
    found = pa.schema([*FOUND_LOGS, pa.field("row_id", pa.uint64())]).empty_table()
    for part in parts:
        oldest_kept = None
        if query.limit is not None and found.num_rows > query.limit:
            oldest_kept = found.column("time_unix_nano")[query.limit].as_py()
            if part.segment and _has_times(part) and part.segment.max_unix_nano < oldest_kept:
                continue
        rows = _rows_of(connection, part, query).cast(found.schema)
        found = pa.concat_tables([found, rows]).sort_by(_NEWEST_FIRST)
        if query.limit is not None:
            found = found.slice(0, query.limit + 1)
    kept = found if query.limit is None else found.slice(0, query.limit)
    return FoundLogs(
        kept.select(FOUND_LOGS.names), kept.num_rows < found.num_rows, state_notices(snapshot)
    )


def read_log_counts(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, query: LogQuery, step_ns: int
) -> pa.Table:
    """Answer `TraceReader.log_counts`."""
    hi, lo = halves(sorted(set(query.trace_ids)))
    connection.register(WANTED, pa.table({"trace_hi": hi, "trace_lo": lo}))
    found = [LOG_COUNTS.empty_table()]
    for part in parts_of(snapshot, "logs"):
        if not _overlaps(part, query) or (query.trace_ids and not part.may_hold(hi, lo)):
            continue
        parameters: list[object] = []
        condition = _condition(query, parameters)
        sql = (
            f"SELECT {_TIME} // {step_ns:d} * {step_ns:d} - CASE WHEN {_TIME} % {step_ns:d} < 0"
            f" THEN {step_ns:d} ELSE 0 END AS step_unix_nano,"
            " coalesce(s.severity_number, 0) AS severity_number,"
            " CASE WHEN s.severity_number BETWEEN 1 AND 24 THEN ''"
            " ELSE left(coalesce(s.severity_text, ''), 20) END AS severity_text, count(*) AS count"
            f" FROM {part.relation('logs')} s WHERE {condition} GROUP BY 1, 2, 3"
        )
        found.append(arrow(connection, sql, parameters).cast(LOG_COUNTS))
    keys = LOG_COUNTS.names[:-1]
    summed = pa.concat_tables(found).group_by(keys).aggregate([("count", "sum")])
    ordered = summed.sort_by([(name, "ascending") for name in keys])
    return ordered.rename_columns([*keys, "count"]).cast(LOG_COUNTS)


def _has_times(part: Part) -> bool:
    """Whether every record here has a time of its own: a missing one counts as 0 among the
    times of a segment, and the record may then be of any age."""
    return part.segment is not None and part.segment.min_unix_nano > 0


def _overlaps(part: Part, query: LogQuery) -> bool:
    segment = part.segment
    return (
        segment is None
        or not _has_times(part)
        or (
            segment.max_unix_nano >= query.time.start_unix_nano
            and segment.min_unix_nano < query.time.end_unix_nano
        )
    )


def _rows_of(connection: duckdb.DuckDBPyConnection, part: Part, query: LogQuery) -> pa.Table:
    parameters: list[object] = []
    condition = _condition(query, parameters)
    limit = "" if query.limit is None else f" LIMIT {query.limit + 1}"
    fixed = "".join(f"x.{name}, " for name in _FIXED)
    # The limit comes first, so that JSON is made of the rows that are shown and of no others.
    sql = (
        f"SELECT x.time AS time_unix_nano, {fixed}{attributes_json('x')} AS attributes,"
        f" coalesce(r.attributes, '{{}}') AS resource, x.row_id"
        f" FROM (SELECT {_TIME} AS time, {model_columns(part, 'logs')}"
        f" FROM {part.relation('logs')} s WHERE {condition}"
        f" ORDER BY time DESC, s.row_id DESC{limit}) x"
        f" LEFT JOIN ({resource_attributes(part)}) r ON r.resource_id = x.resource_id"
    )
    return arrow(connection, sql, parameters)


def resource_attributes(part: Part) -> str:
    """SQL for the attributes of each resource of a part as JSON."""
    return (
        f"SELECT y.resource_id, {attributes_json('y')} AS attributes FROM"
        f" (SELECT DISTINCT ON (resource_id) {model_columns(part, 'resources', 't')}"
        f" FROM {part.relation('resources')} t) y"
    )


def one_of(column: str, values: Sequence[object], parameters: list[object]) -> str:
    """SQL for "this column has one of these values", which are appended to `parameters`."""
    parameters += values
    return f"{column} IN ({', '.join('?' for _ in values)})"


def _condition(query: LogQuery, parameters: list[object]) -> str:
    checks = ["true"]
    if not query.time.is_unbounded:
        checks.append(f"{_TIME} >= ? AND {_TIME} < ?")
        parameters += [query.time.start_unix_nano, query.time.end_unix_nano]
    for column, values in (
        ("s.service_name", query.services),
        ("s.span_id", query.span_ids),
        ("s.resource_id", query.resource_ids),
    ):
        if values:
            checks.append(one_of(column, values, parameters))
    if query.least_severity:
        checks.append("s.severity_number >= ?")
        parameters.append(query.least_severity)
    if query.text:
        checks.append("contains(lower(s.body), lower(?))")
        parameters.append(query.text)
    if query.trace_ids:
        checks.append(f"(s.trace_hi, s.trace_lo) IN (SELECT trace_hi, trace_lo FROM {WANTED})")
    return " AND ".join(checks)
