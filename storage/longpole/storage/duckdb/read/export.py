"""Reads records back out as requests of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longpole.formats import otlp
from longpole.formats.rows import spans_of
from longpole.model.query import TraceQuery
from longpole.model.signals import Signal
from longpole.model.span_content import span_content
from longpole.model.telemetry import RECORD_TABLE, Telemetry
from longpole.storage.duckdb.read.newest_search import find
from longpole.storage.duckdb.read.part import KIND_OF_TABLE, Part, parts_of
from longpole.storage.duckdb.read.stored_rows import WANTED, arrow, read_table, with_sides
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.ports import Unsupported

if TYPE_CHECKING:
    import duckdb

CHUNK_RECORDS = 10_000


def export_chunks(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    signal: Signal,
    query: TraceQuery | None,
) -> Iterator[Telemetry]:
    """Answer `Exporter.export` within one lease."""
    if query is not None and signal is Signal.METRICS:
        raise Unsupported("metrics belong to no trace, so no trace query selects them")
    condition = "true"
    if query is not None:
        chosen = find(connection, snapshot, query).traces.select(["trace_hi", "trace_lo"])
        connection.register(WANTED, chosen)
        condition = (
            f"EXISTS (SELECT 1 FROM {WANTED} w"
            " WHERE w.trace_hi = s.trace_hi AND w.trace_lo = s.trace_lo)"
        )
    table = RECORD_TABLE[signal]
    parts = parts_of(snapshot, table)
    repeated = _repeated_spans(connection, parts) if signal is Signal.TRACES else frozenset()
    seen: set[object] = set()
    for part in parts:
        row_ids = arrow(
            connection, f"SELECT s.row_id FROM {part.without_parents(table)} s WHERE {condition}"
        )
        for start in range(0, row_ids.num_rows, CHUNK_RECORDS):
            tables = _chunk(connection, part, signal, row_ids.slice(start, CHUNK_RECORDS))
            if repeated:
                tables = _first_time(tables, repeated, seen)
            if tables[table].num_rows:
                yield Telemetry(signal, tables, otlp.encode(signal, tables))


def _chunk(
    connection: duckdb.DuckDBPyConnection, part: Part, signal: Signal, row_ids: pa.Table
) -> dict[str, pa.Table]:
    """One chunk of records with all that hangs on them, row ids counted from 0."""
    table = RECORD_TABLE[signal]
    connection.register("longpole_chunk", row_ids)
    condition = "s.row_id IN (SELECT row_id FROM longpole_chunk)"
    records = read_table(connection, part, table, condition).sort_by("row_id")
    tables = with_sides(connection, part, KIND_OF_TABLE[table], records)
    return _renumbered(tables, table)


def _renumbered(tables: dict[str, pa.Table], table: str) -> dict[str, pa.Table]:
    """Row ids as a decoder gives them: 0, 1, 2 … for the records, in their order."""
    known = np.asarray(tables[table].column("row_id").to_numpy(), dtype=np.uint64)
    order = np.argsort(known)
    renumbered = dict(tables)
    for name, rows in tables.items():
        if "row_id" in rows.column_names:
            old = np.asarray(rows.column("row_id").to_numpy(), dtype=np.uint64)
            new = order[np.searchsorted(known, old, sorter=order)].astype(np.uint64)
            position = rows.column_names.index("row_id")
            field = rows.schema.field(position)
            renumbered[name] = rows.set_column(position, field, pa.array(new))
    return renumbered


def _repeated_spans(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[Part]
) -> frozenset[tuple[int, int]]:
    """(trace id, span id) of the spans that are stored more than once, copies or not."""
    if not parts:
        return frozenset()
    union = " UNION ALL ".join(
        f"SELECT trace_hi, trace_lo, span_id FROM {part.plain('spans')}" for part in parts
    )
    rows = arrow(connection, f"FROM ({union}) SELECT * GROUP BY ALL HAVING count(*) > 1")
    return frozenset(
        (row["trace_hi"] << 64 | row["trace_lo"], row["span_id"]) for row in rows.to_pylist()
    )


def _first_time(
    tables: dict[str, pa.Table], repeated: frozenset[tuple[int, int]], seen: set[object]
) -> dict[str, pa.Table]:
    """The chunk without spans of which a copy was already given out."""
    kept = []
    for position, span in enumerate(spans_of(tables)):
        if (span.trace_id, span.span_id) in repeated:
            content = span_content(span)
            if content in seen:
                continue
            seen.add(content)
        kept.append(position)
    spans = tables["spans"]
    if len(kept) == spans.num_rows:
        return tables
    spans = spans.take(pa.array(kept, pa.int64()))
    ids = spans.column("row_id").combine_chunks()
    sides = {
        name: tables[name].filter(pc.is_in(tables[name].column("row_id"), ids))
        for name in ("span_events", "span_links")
    }
    return _renumbered({**tables, **sides, "spans": spans}, "spans")
