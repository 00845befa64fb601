"""Counts in how many traces a span has which value, for some traces and several keys at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from longpole.model.query import Field, TraceQuery
from longpole.storage.duckdb.read.attributes import value_of
from longpole.storage.duckdb.read.conditions import span_filter
from longpole.storage.duckdb.read.part import Part, halves, parts_of
from longpole.storage.duckdb.read.search import overlaps
from longpole.storage.duckdb.read.stored_rows import WANTED, arrow
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.query_checks import check_value_fields, refuse_bad_regexes
from longpole.storage.search_ports import MOST_SPAN_ROWS, SPAN_VALUES, SpanKey, SpanValues

if TYPE_CHECKING:
    import duckdb

_ROWS = "longpole_valued"
_COLUMNS = {
    Field.SERVICE: ("t", "s.service_name"),
    Field.NAME: ("t", "s.name"),
    Field.KIND: ("n", "s.kind"),
    Field.STATUS: ("n", "s.status_code"),
}
# The letter in front of a value says what it is; which lists may hold a key of that SQL type.
_LETTERS = {"str": "t", "int": "n", "dbl": "n", "bool": "b"}
_LISTS = {"BIGINT": ("int",), "DOUBLE": ("dbl", "int"), "BOOLEAN": ("bool",)}
_KINDS = "CASE value[1] WHEN 't' THEN 'text' WHEN 'n' THEN 'number' ELSE 'bool' END"


def read_span_values(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: TraceQuery,
    trace_ids: Sequence[int],
    keys: Sequence[SpanKey],
    most: int,
) -> SpanValues:
    """Answer `TraceSearcher.span_values`."""
    check_value_fields(keys)
    refuse_bad_regexes(query)
    hi, lo = halves(sorted(set(trace_ids)))
    parts = [
        part
        for part in parts_of(snapshot, "spans")
        if overlaps(part, query) and part.may_hold(hi, lo)
    ]
    if not parts or not keys or not hi.size:
        return SpanValues(SPAN_VALUES.empty_table())
    numbers = np.arange(hi.size, dtype=np.int32)
    connection.register(WANTED, pa.table({"trace_hi": hi, "trace_lo": lo, "n": numbers}))
    parameters: list[object] = []
    union = " UNION ALL ".join(_of_part(part, snapshot, query, keys, parameters) for part in parts)
    rows = arrow(connection, f"{union} LIMIT {MOST_SPAN_ROWS + 1}", parameters)
    connection.register(_ROWS, rows.slice(0, MOST_SPAN_ROWS))
    counted = " UNION ALL ".join(
        f"SELECT {place} AS place, v{place} AS value, count(DISTINCT n) AS trace_count"
        f" FROM {_ROWS} WHERE v{place} IS NOT NULL GROUP BY v{place}"
        for place in range(len(keys))
    )
    order = "ORDER BY trace_count DESC, value[2:], value"
    sql = (
        f"SELECT CAST(place AS BIGINT) AS place, {_KINDS} AS kind, value[2:] AS value, trace_count"
        f" FROM (SELECT *, row_number() OVER (PARTITION BY place {order}) AS rank FROM ({counted}))"
        f" WHERE rank <= {int(most)} ORDER BY place, rank"
    )
    return SpanValues(arrow(connection, sql).cast(SPAN_VALUES), rows.num_rows > MOST_SPAN_ROWS)


def _of_part(
    part: Part,
    snapshot: Snapshot,
    query: TraceQuery,
    keys: Sequence[SpanKey],
    parameters: list[object],
) -> str:
    types = snapshot.attribute_types
    values, of_resource = [], []
    for place, key in enumerate(keys):
        if key.field in _COLUMNS:
            letter, column = _COLUMNS[key.field]
            values.append(f"'{letter}' || {column} AS v{place}")
            continue
        own = _told(part, "spans", "s", key.key, types.get(("span", key.key)))
        resource = _told(part, "resources", "r", key.key, types.get(("resource", key.key)))
        if resource:
            of_resource.append(f"{resource} AS w{place}")
        told = [sql for sql in (own, f"r.w{place}" if resource else None) if sql]
        values.append(f"coalesce({', '.join(told)}) AS v{place}" if told else f"NULL AS v{place}")
    joined = f" JOIN {WANTED} w ON w.trace_hi = s.trace_hi AND w.trace_lo = s.trace_lo"
    if of_resource:
        joined += (
            " LEFT JOIN (SELECT DISTINCT ON (r.resource_id) r.resource_id, "
            f"{', '.join(of_resource)} FROM {part.relation('resources')} r) r"
            " ON r.resource_id = s.resource_id"
        )
    condition = span_filter(part, query, types, parameters)
    spans = f"{part.relation('spans')} s{joined}"
    return f"SELECT w.n, {', '.join(values)} FROM {spans} WHERE {condition}"


def _told(part: Part, table: str, alias: str, key: str, sql_type: str | None) -> str | None:
    """SQL for the value of an attribute with its letter; None where nobody ever had the key."""
    if sql_type is None:
        return None
    lists = _LISTS.get(sql_type, tuple(_LETTERS))
    told = [f"'{_LETTERS[kind]}' || {value_of(part, table, alias, key, kind)}" for kind in lists]
    return told[0] if len(told) == 1 else f"coalesce({', '.join(told)})"
