"""Reads the rows of one trace in a file as plain values, made into columns afterwards.

For a few rows most of the time goes into planning. Against `arrow` this plans a statement once
where a relation does so twice, sorts what was found and not what may be, and writes typed columns
back into lists without a plan for each: together a third of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from longpole.model import columns
from longpole.storage.duckdb import parents
from longpole.storage.duckdb.read.identifiers import quote_identifier
from longpole.storage.duckdb.read.part import Part

if TYPE_CHECKING:
    import duckdb

MOST_ROWS = 1000  # of more, whole columns are faster
_Row = tuple[Any, ...]


def one_trace(hi: int, lo: int) -> str:
    """SQL for "this row (alias `s`) is of that trace". With the type of the column: a number over
    2^63 is a wider one otherwise, which no zone map is asked about."""
    return f"s.trace_hi = {hi}::UBIGINT AND s.trace_lo = {lo}::UBIGINT"


def read_few(
    connection: duckdb.DuckDBPyConnection, part: Part, table: str, schema: pa.Schema, condition: str
) -> pa.Table | None:
    """The rows of a table of a sealed part (alias `s`) that meet a condition, in the columns of the
    model and in stored order; None when they are more than `MOST_ROWS`. Of spans, the condition
    chooses whole traces."""
    typed = [(name, key, kind) for (of, key, kind), name in part.typed.items() if of == table]
    names = [*schema.names, *(name for name, _, _ in typed)]
    has_distances = part.has_distances(table)
    if has_distances:
        names[names.index(parents.PARENT)] = parents.DISTANCE
        names.append(parents.ELSEWHERE)
    chosen = ", ".join(f"s.{quote_identifier(name)}" for name in names)
    found = connection.execute(
        f"SELECT s.rowid, {chosen} FROM {part.plain(table)} s WHERE {condition}"
        f" LIMIT {MOST_ROWS + 1}"
    ).fetchall()
    if len(found) > MOST_ROWS:
        return None
    found.sort(key=_place)
    held = dict(zip(["rowid", *names], zip(*found, strict=True), strict=True)) if found else {}
    if found and has_distances:
        ids = dict(zip(held["rowid"], held["span_id"], strict=True))
        held[parents.PARENT] = tuple(
            ids[row + distance] if distance else elsewhere
            for row, distance, elsewhere in zip(
                held["rowid"], held[parents.DISTANCE], held[parents.ELSEWHERE], strict=True
            )
        )
    return pa.Table.from_arrays(
        [pa.array(_column(held, field.name, typed), field.type) for field in schema], schema=schema
    )


def _place(row: _Row) -> int:
    place: int = row[0]
    return place


def _column(
    held: dict[str, _Row], name: str, typed: Sequence[tuple[str, str, str]]
) -> Sequence[Any]:
    """The values of one column; typed ones come after those in lists, as `restored` has it."""
    values = held.get(name, ())
    if name not in columns.ATTRIBUTE_COLUMNS:
        return values
    lists = [list(value or ()) for value in values]
    own, _, half = name.removeprefix("attr_").partition("_")
    for column, key, kind in typed:
        if kind == own:
            for row, value in zip(lists, held.get(column, ()), strict=True):
                if value is not None:
                    row.append(value if half == "vals" else key)
    return lists
