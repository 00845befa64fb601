"""Reads rows back in the columns of the model, typed columns folded into the lists again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longpole.model import columns
from longpole.model.ids import split_trace_id
from longpole.storage.duckdb import parents
from longpole.storage.duckdb.read.few_rows import one_trace, read_few
from longpole.storage.duckdb.read.hot_rows import in_schema, rows_of_traces
from longpole.storage.duckdb.read.identifiers import quote_literal
from longpole.storage.duckdb.read.part import TABLES_OF_KIND, Part
from longpole.storage.duckdb.typed_columns import TABLES_WITH_TYPED_COLUMNS, restored

if TYPE_CHECKING:
    import duckdb

_SIDES = ("resources", "scopes", "span_events", "span_links")
WANTED = "longpole_wanted"  # registered by the caller: trace_hi, trace_lo
# Joins what has an alias `s` with ids that have the alias `w`. An expression keeps DuckDB from
# looking every stored row up before it looks at cheaper conditions, which takes twice as long.
SAME_TRACE = "w.trace_hi = xor(s.trace_hi, 0::UBIGINT) AND w.trace_lo = xor(s.trace_lo, 0::UBIGINT)"
_SCHEMAS: Mapping[str, pa.Schema] = {
    name: schema for tables in TABLES_OF_KIND.values() for name, schema in tables.items()
}


def model_columns(part: Part, table: str, alias: str = "s") -> str:
    """The select list that gives a stored row every column of the model."""
    chosen = []
    for name in _SCHEMAS[table].names:
        stored = f'{alias}."{name}"'
        kind, _, half = name.removeprefix("attr_").partition("_")
        if name in columns.ATTRIBUTE_COLUMNS:
            stored = f"coalesce({stored}, [])"
            typed = [(key, column) for (t, key, k), column in part.typed.items()
                     if (t, k) == (table, kind)]  # fmt: skip
            if typed:
                stored = f"list_concat({_from_typed(typed, half, alias)}, {stored})"
        chosen.append(f'{stored} AS "{name}"')
    return ", ".join(chosen)


def _from_typed(typed: Sequence[tuple[str, str]], half: str, alias: str) -> str:
    """The keys or values of the typed columns that a row has."""
    values = [f"{alias}.{column}" for _, column in typed]
    offered = values if half == "vals" else [quote_literal(key) for key, _ in typed]
    present = ", ".join(f"{value} IS NOT NULL" for value in values)
    return f"list_where([{', '.join(offered)}], [{present}])"


def among_ids(relation: str) -> str:
    """SQL that keeps the rows (alias `s`) whose trace is in a relation; nothing for none."""
    return f"SEMI JOIN {relation} w ON {SAME_TRACE}" if relation else ""


def read_table(
    connection: duckdb.DuckDBPyConnection,
    part: Part,
    table: str,
    condition: str = "true",
    parameters: Sequence[object] = (),
) -> pa.Table:
    """The rows of one table of one part that meet a condition (alias `s`)."""
    schema = _SCHEMAS[table]
    stored = part.without_parents(table)
    source = f"FROM {stored} s WHERE {condition}"
    if part.segment is None or table not in TABLES_WITH_TYPED_COLUMNS:
        sql = f"SELECT {model_columns(part, table)} {source}"
        return in_schema(arrow(connection, sql, parameters), schema)
    # To plan the expressions that fold typed columns takes longer than to find a trace.
    typed = [column for column in part.segment.attribute_columns if column.table_name == table]
    place = f"s.rowid AS {parents.ROW}, " if part.has_distances(table) else ""
    rows = arrow(connection, f"SELECT {place}s.* {source}", parameters)
    if place:
        rows, _ = parents.by_id(rows, lambda places: _ids_at(connection, stored, places))
    return in_schema(restored(rows, typed).select(schema.names), schema)


def _ids_at(
    connection: duckdb.DuckDBPyConnection, stored: str, places: parents.Rows
) -> tuple[parents.Rows, parents.Ids]:
    """The span ids in these rows of a file."""
    connection.register("longpole_places", pa.table({"place": places}))
    among = "SEMI JOIN longpole_places p ON p.place = s.rowid"
    found = arrow(connection, f"SELECT s.rowid, s.span_id FROM {stored} s {among}")
    return found.column(0).to_numpy(), found.column(1).to_numpy()


def empty_table(table: str) -> pa.Table:
    """A table without rows in the model's columns."""
    return _SCHEMAS[table].empty_table()


def arrow(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] = ()
) -> pa.Table:
    """The whole answer to one query."""
    return connection.sql(sql, params=list(parameters) or None).to_arrow_table()


def rows_with_ids(
    connection: duckdb.DuckDBPyConnection, part: Part, table: str, column: str, ids: pa.Array
) -> pa.Table:
    """The rows of a table whose `column` is one of `ids`, in the order in which they came:
    the events of a span have one, and DuckDB keeps none unless it is told to."""
    rows = _in_memory(connection, part, table)
    if rows is not None:
        return in_schema(rows.filter(pc.is_in(rows.column(column), ids)), _SCHEMAS[table])
    connection.register("longpole_ids", pa.table({"id": ids}))
    condition = f"s.{column} IN (SELECT id FROM longpole_ids) ORDER BY s.rowid"
    return read_table(connection, part, table, condition)


def rows_of_trace(
    connection: duckdb.DuckDBPyConnection, part: Part, table: str, trace_id: int
) -> pa.Table:
    """The rows of one trace; those in memory without SQL."""
    hi, lo = split_trace_id(trace_id)
    rows = _in_memory(connection, part, table)
    if rows is not None:
        ids = (np.array([half], np.uint64) for half in (hi, lo))
        return in_schema(rows_of_traces(rows, *ids), _SCHEMAS[table])
    wanted = one_trace(hi, lo)
    few = read_few(connection, part, table, _SCHEMAS[table], wanted)
    if few is not None:
        return few
    return read_table(connection, part, table, f"{wanted} ORDER BY s.rowid")


def _in_memory(connection: duckdb.DuckDBPyConnection, part: Part, table: str) -> pa.Table | None:
    """A hot table, or one beside the records of a segment that is small: nearly every question
    about a trace needs its few resources and scopes, and files never change."""
    if part.segment is None:
        return part.hot[table]
    if table not in _SIDES:
        return None
    kept = part.segment.kept
    if table not in kept:
        kept[table] = read_few(connection, part, table, _SCHEMAS[table], "true")
    return kept[table]


def with_sides(
    connection: duckdb.DuckDBPyConnection,
    part: Part,
    kind: str,
    records: pa.Table,
    trace_id: int | None = None,
) -> dict[str, pa.Table]:
    """Records together with their resources and scopes (events and links, series) of the same
    part, as the set of tables that a request of that kind has. With `trace_id`, all records
    are of that trace."""
    tables = {"metric_points" if kind == "metrics" else kind: records}
    holder = records
    if kind == "metrics":
        ids = _distinct(records, "series_id")
        holder = rows_with_ids(connection, part, "metric_series", "series_id", ids)
        tables["metric_series"] = holder
    for side, column in (("resources", "resource_id"), ("scopes", "scope_id")):
        ids = _distinct(holder, column)
        tables[side] = rows_with_ids(connection, part, side, column, ids)
    for side in ("span_events", "span_links") if kind == "spans" else ():
        if trace_id is None:
            ids = _distinct(records, "row_id")
            tables[side] = rows_with_ids(connection, part, side, "row_id", ids)
        else:
            tables[side] = rows_of_trace(connection, part, side, trace_id)
    return tables


def _distinct(rows: pa.Table, column: str) -> pa.Array:
    return pc.unique(rows.column(column))


def merged(parts: Sequence[Mapping[str, pa.Table]], kind: str) -> dict[str, pa.Table]:
    """The tables of several parts as one set; resources and scopes each once."""
    whole: dict[str, pa.Table] = {}
    for name in TABLES_OF_KIND[kind]:
        tables = [part[name] for part in parts if name in part]
        table = tables[0] if len(tables) == 1 else pa.concat_tables([empty_table(name), *tables])
        if name in ("resources", "scopes"):
            table = _once(table, f"{name.removesuffix('s')}_id")
        whole[name] = table
    return whole


def _once(table: pa.Table, column: str) -> pa.Table:
    seen: set[int] = set()
    kept = []
    for position, value in enumerate(table.column(column).to_pylist()):
        if value not in seen:
            seen.add(value)
            kept.append(position)
    return table if len(kept) == table.num_rows else table.take(pa.array(kept, pa.int64()))
