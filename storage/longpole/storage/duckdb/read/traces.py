"""Reads whole traces back: one as objects, thousands as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longpole.formats.rows import logs_of, spans_of
from longpole.model.log import LogRecord
from longpole.model.span_content import first_copies
from longpole.model.trace import Trace
from longpole.storage.answers import LINK_COLUMNS, LINKS, whole_schema
from longpole.storage.duckdb.read.attributes import has_key, value_as
from longpole.storage.duckdb.read.derived_state import latest_revisions
from longpole.storage.duckdb.read.identifiers import quote_identifier
from longpole.storage.duckdb.read.part import Part, halves, parts_of
from longpole.storage.duckdb.read.stored_rows import (
    WANTED,
    arrow,
    merged,
    read_table,
    rows_of_trace,
    with_sides,
)
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.ports import WHOLE_TRACE_COLUMNS, TraceState, WholeTraces

if TYPE_CHECKING:
    import duckdb


def read_trace(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, trace_id: int
) -> Trace | None:
    """One trace as objects; None for an unknown id."""
    tables = _tables_of(connection, snapshot, "spans", trace_id)
    if tables is None:
        return None
    spans = spans_of(tables)
    kept = tuple(spans[position] for position in first_copies(spans))
    latest = latest_revisions(connection, snapshot, [trace_id]).get(trace_id)
    if latest is None:
        return Trace(trace_id, kept)
    is_settled = trace_id not in snapshot.pending
    late = latest.late if is_settled else latest.late_now(len(kept))
    return Trace(trace_id, kept, latest.revision, is_settled, late)


def read_logs(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, trace_id: int
) -> tuple[LogRecord, ...]:
    """The log records of one trace, by time."""
    tables = _tables_of(connection, snapshot, "logs", trace_id)
    if tables is None:
        return ()
    return tuple(sorted(logs_of(tables), key=lambda log: log.time_unix_nano))


def read_whole_traces(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    trace_ids: Sequence[int],
    attributes: Sequence[str],
) -> WholeTraces:
    """Those traces as columns, ordered by trace id and row id."""
    hi, lo = halves(sorted(set(trace_ids)))
    parts = [p for p in parts_of(snapshot, "spans") if trace_ids and p.may_hold(hi, lo)]
    connection.register(WANTED, pa.table({"trace_hi": hi, "trace_lo": lo}))
    schema = whole_schema(attributes)
    found = [_renamed(arrow(connection, _whole_sql(part, attributes)), schema) for part in parts]
    spans = pa.concat_tables(found) if found else schema.empty_table()
    spans = spans.sort_by([(name, "ascending") for name in ("trace_hi", "trace_lo", "row_id")])
    edges = _Edges.of(spans)
    through = np.maximum.reduceat(edges.row_ids, edges.starts) if len(spans) else edges.row_ids
    copies = _copies(connection, parts, spans)
    if copies.any():
        spans = spans.filter(pa.array(~copies))
    latest = latest_revisions(connection, snapshot, edges.trace_ids)
    states = []
    for number, trace_id in enumerate(edges.trace_ids):
        start, stop = edges.starts[number], edges.stops[number]
        duplicates = int(copies[start:stop].sum())
        known = latest.get(trace_id)
        count = int(stop - start) - duplicates
        states.append(
            TraceState(
                trace_id,
                known.revision + 1 if known else 1,
                int(through[number]),
                known.late_now(count) if known else 0,
                duplicates,
            )
        )
    links = [arrow(connection, _links_sql(part)).cast(LINKS) for part in parts]
    table = pa.concat_tables(links) if links else LINKS.empty_table()
    if copies.any():
        kept = set(spans.column("row_id").to_pylist())
        is_kept = [row in kept for row in table.column("row_id").to_pylist()]
        # The type is named because Arrow gives an empty list the type null.
        table = table.filter(pa.array(is_kept, pa.bool_()))
    return WholeTraces(spans, table.sort_by("row_id"), tuple(states))


@dataclass(frozen=True, slots=True)
class _Edges:
    """Where each trace starts and stops in spans sorted by trace."""

    row_ids: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.int64]
    stops: npt.NDArray[np.int64]
    trace_ids: list[int]

    @classmethod
    def of(cls, spans: pa.Table) -> _Edges:
        hi, lo, row_ids = (
            spans.column(name).to_numpy() for name in ("trace_hi", "trace_lo", "row_id")
        )
        changes = (hi[1:] != hi[:-1]) | (lo[1:] != lo[:-1])
        starts = np.concatenate([[0], np.flatnonzero(changes) + 1])[: max(0, len(hi))]
        starts = starts.astype(np.int64)
        stops = np.append(starts[1:], len(hi)).astype(np.int64)[: len(starts)]
        pairs = zip(hi[starts].tolist(), lo[starts].tolist(), strict=True)
        return cls(row_ids, starts, stops, [h << 64 | low for h, low in pairs])


def _whole_sql(part: Part, attributes: Sequence[str]) -> str:
    chosen = [f"s.{name}" for name in WHOLE_TRACE_COLUMNS]
    from_resource = []
    for number, key in enumerate(attributes):
        own = value_as(part, "spans", "s", key, "VARCHAR")
        from_resource.append(
            f"CASE WHEN {has_key(part, 'resources', 'r', key)} THEN"
            f" {value_as(part, 'resources', 'r', key, 'VARCHAR')} END AS v{number}"
        )
        chosen.append(f"coalesce({own}, r.v{number}) AS {quote_identifier(f'{key}.{number}')}")
    sql = f"SELECT {', '.join(chosen)} FROM {part.relation('spans')} s"
    sql += f" JOIN {WANTED} w ON w.trace_hi = s.trace_hi AND w.trace_lo = s.trace_lo"
    if attributes:
        sql += (
            " LEFT JOIN (SELECT DISTINCT ON (r.resource_id) r.resource_id,"
            f" {', '.join(from_resource)} FROM {part.relation('resources')} r) r"
            " ON r.resource_id = s.resource_id"
        )
    return sql


def _links_sql(part: Part) -> str:
    chosen = ", ".join(f"s.{name}" for name in LINK_COLUMNS)
    return (
        f"SELECT {chosen} FROM {part.relation('span_links')} s"
        f" JOIN {WANTED} w ON w.trace_hi = s.trace_hi AND w.trace_lo = s.trace_lo"
    )


def _copies(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[Part], spans: pa.Table
) -> npt.NDArray[np.bool_]:
    """Which rows repeat an earlier one in every field.

    Rows that share trace and span id are candidates; only those are read in full.
    """
    hi, lo, span_id, row_ids = (
        spans.column(name).to_numpy() for name in ("trace_hi", "trace_lo", "span_id", "row_id")
    )
    copies = np.zeros(len(hi), dtype=np.bool_)
    order = np.lexsort((span_id, lo, hi))
    same = (
        (hi[order][1:] == hi[order][:-1])
        & (lo[order][1:] == lo[order][:-1])
        & (span_id[order][1:] == span_id[order][:-1])
    )
    if not same.any():
        return copies
    suspects = np.zeros(len(hi), dtype=np.bool_)
    suspects[order[1:][same]] = True
    suspects[order[:-1][same]] = True
    connection.register("longpole_suspects", pa.table({"row_id": row_ids[suspects]}))
    condition = "s.row_id IN (SELECT row_id FROM longpole_suspects)"
    found = []
    for part in parts:
        rows = read_table(connection, part, "spans", condition)
        if rows.num_rows:
            found.append(with_sides(connection, part, "spans", rows))
    tables = merged(found, "spans")
    tables["spans"] = tables["spans"].sort_by("row_id")
    ids = tables["spans"].column("row_id").to_numpy()
    kept = first_copies(spans_of(tables))
    dropped = np.delete(ids, kept)
    return np.isin(row_ids, dropped)


def _tables_of(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, kind: str, trace_id: int
) -> dict[str, pa.Table] | None:
    """Everything of one trace in the columns of the model, ordered by row id."""
    hi, lo = halves([trace_id])
    found = []
    for part in parts_of(snapshot, kind):
        if not part.may_hold(hi, lo):
            continue
        rows = rows_of_trace(connection, part, kind, trace_id)
        if rows.num_rows:
            found.append(with_sides(connection, part, kind, rows, trace_id))
    if not found:
        return None
    tables = merged(found, kind)
    tables[kind] = tables[kind].sort_by("row_id")
    return tables


def _renamed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns under their own names: SQL cannot tell two keys apart that differ by case."""
    return table.rename_columns(schema.names).cast(schema)
