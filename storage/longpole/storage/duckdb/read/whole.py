"""Reads thousands of whole traces back as columns.

Analysis reads every span again and again, so nothing here is done trace by trace in Python but
the making of their states, and nothing is sorted that lies in order already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longpole.formats.rows import spans_of
from longpole.model.columns import ATTRIBUTE_COLUMNS
from longpole.model.span_content import first_copies
from longpole.storage.answers import LINK_COLUMNS, LINKS, whole_schema
from longpole.storage.duckdb import parents
from longpole.storage.duckdb.catalog import MAX_KEYS
from longpole.storage.duckdb.read.attributes import has_key, value_as
from longpole.storage.duckdb.read.derived_state import latest_columns
from longpole.storage.duckdb.read.identifiers import quote_identifier
from longpole.storage.duckdb.read.part import Part, halves, parts_among
from longpole.storage.duckdb.read.stored_rows import (
    WANTED,
    arrow,
    merged,
    read_table,
    with_sides,
)
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.ports import WHOLE_TRACE_COLUMNS, TraceState, WholeTraces

if TYPE_CHECKING:
    import duckdb

Places: TypeAlias = npt.NDArray[np.int64]
# The trace id is known from the place of a trace among those asked for.
_STORED = tuple(name for name in WHOLE_TRACE_COLUMNS if name not in ("trace_hi", "trace_lo"))
_LEAST_ROWS_OF_RUN = 500
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


def read_whole_traces(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    trace_ids: Sequence[int],
    attributes: Sequence[str],
) -> WholeTraces:
    """Those traces as columns, ordered by trace id and row id."""
    ids = sorted(set(trace_ids))
    hi, lo = halves(ids)
    parts = parts_among(snapshot, "spans", hi, lo) if ids else []
    numbered = pa.table({"trace_hi": hi, "trace_lo": lo, "place": np.arange(len(ids))})
    connection.register(WANTED, numbered)
    known = _known_keys(snapshot, attributes)
    found = [_found(connection, part, _whole_sql(part, snapshot, known)) for part in parts]
    table, places = _in_order(found, len(known))
    spans = _spans(table, hi[places], lo[places], attributes, known)
    starts = np.flatnonzero(np.append(True, places[1:] != places[:-1])[: places.size])
    linking = [part for part in parts if not part.is_empty("span_links")]
    links = [arrow(connection, _links_sql(part)).cast(LINKS) for part in linking]
    linked = pa.concat_tables(links) if links else LINKS.empty_table()
    copies = _copies(connection, parts, spans, places)
    present = places[starts]
    states = _states(connection, snapshot, ids, hi, lo, spans, copies, starts, present)
    if copies.any():
        spans = spans.filter(pa.array(~copies))
        kept = np.isin(linked.column("row_id").to_numpy(), spans.column("row_id").to_numpy())
        linked = linked.filter(pa.array(kept, pa.bool_()))
    return WholeTraces(spans, linked.sort_by("row_id"), states)


def _known_keys(snapshot: Snapshot, attributes: Sequence[str]) -> dict[str, tuple[bool, bool]]:
    """Which of these keys a span, and which a resource ever had; others need no look at all.
    Once the catalog is full, keys that it does not list may occur."""
    types = snapshot.attribute_types
    is_full = len(types) >= MAX_KEYS
    found = {
        key: (is_full or ("span", key) in types, is_full or ("resource", key) in types)
        for key in attributes
    }
    return {key: where for key, where in found.items() if any(where)}


def _in_order(found: Sequence[pa.Table], key_count: int) -> tuple[pa.Table, Places]:
    """The rows of all parts by trace and row id, without their first column, and the place of
    the trace of each row.

    Segments hold their rows in that order, only threads hand their blocks over in any.
    """
    batches = [batch for table in found for batch in table.to_batches() if batch.num_rows]
    if not batches:
        names = [pa.field(str(number), pa.string()) for number in range(key_count)]
        empty = whole_schema(()).empty_table().select(list(_STORED))
        arrays = [*empty.columns, *(pa.array([], pa.string()) for _ in names)]
        fields = [*empty.schema, *names]
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields)), np.zeros(0, np.int64)
    runs = [run for batch in batches for run in _ascending(batch)]
    runs.sort(key=lambda run: (run.column(0)[0].as_py(), run.column(1)[0].as_py()))
    table = pa.Table.from_batches(runs)
    places = table.column(0).to_numpy()
    row_ids = table.column(1).to_numpy()
    if _descents(places, row_ids).size:
        order = np.lexsort((row_ids, places))
        table = table.combine_chunks().take(pa.array(order))
        places = places[order]
    return table.remove_column(0), places


def _ascending(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    """A batch cut where rows of another one may belong in between: where its order begins anew,
    and where it leaves traces out. As it is if that is so often that sorting is cheaper."""
    places = batch.column(0).to_numpy()
    leaves_out = np.flatnonzero(places[1:] > places[:-1] + 1)
    cuts = np.union1d(_descents(places, batch.column(1).to_numpy()), leaves_out) + 1
    if not cuts.size or batch.num_rows < _LEAST_ROWS_OF_RUN * cuts.size:
        return [batch]
    borders = [0, *cuts.tolist(), batch.num_rows]
    return [batch.slice(begin, end - begin) for begin, end in pairwise(borders)]


def _descents(places: Places, row_ids: npt.NDArray[np.uint64]) -> Places:
    """The rows whose next one does not come after them by trace and row id."""
    is_next = (places[1:] > places[:-1]) | (
        (places[1:] == places[:-1]) & (row_ids[1:] > row_ids[:-1])
    )
    return np.flatnonzero(~is_next)


def _spans(
    table: pa.Table,
    hi: npt.NDArray[np.uint64],
    lo: npt.NDArray[np.uint64],
    attributes: Sequence[str],
    known: Mapping[str, object],
) -> pa.Table:
    """The columns under their own names: SQL cannot tell two keys apart that differ by case."""
    held = dict(zip((*_STORED, *known), table.columns, strict=True))
    held["trace_hi"], held["trace_lo"] = pa.chunked_array([hi]), pa.chunked_array([lo])
    nothing = pa.nulls(table.num_rows, pa.string())
    schema = whole_schema(attributes)
    arrays = [held[name] for name in WHOLE_TRACE_COLUMNS]
    arrays += [held[key] if key in known else nothing for key in attributes]
    return pa.Table.from_arrays(
        [
            array if array.type == field.type else array.cast(field.type)
            for array, field in zip(arrays, schema, strict=True)
        ],
        schema=schema,
    )


def _states(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    ids: Sequence[int],
    hi: npt.NDArray[np.uint64],
    lo: npt.NDArray[np.uint64],
    spans: pa.Table,
    copies: npt.NDArray[np.bool_],
    starts: Places,
    present: Places,
) -> tuple[TraceState, ...]:
    """The state of each trace that has spans; `starts` is its first row, `present` its place
    among `ids`, which `hi` and `lo` are the halves of."""
    if not starts.size:
        return ()
    through = np.maximum.reduceat(spans.column("row_id").to_numpy(), starts)
    duplicates = np.add.reduceat(copies.astype(np.int64), starts)
    counts = np.diff(np.append(starts, spans.num_rows)) - duplicates
    *latest, clocks = latest_columns(connection, snapshot, hi, lo)
    revision, known_late, known_count = (column[present] for column in latest)
    late = np.where(revision > 0, known_late + np.maximum(0, counts - known_count), 0)
    own = ids
    if len(ids) != present.size:
        own = [ids[place] for place in present.tolist()]
        clocks = [clocks[place] for place in present.tolist()]
    columns = (
        own, (revision + 1).tolist(), through.tolist(), late.tolist(), duplicates.tolist(), clocks
    )  # fmt: skip
    return tuple(map(TraceState._make, zip(*columns, strict=True)))


def _found(connection: duckdb.DuckDBPyConnection, part: Part, sql: str) -> pa.Table:
    """The rows of a part, with parents by id."""
    rows = arrow(connection, sql)
    return parents.by_id(rows)[0] if part.has_distances("spans") else rows


def _whole_sql(part: Part, snapshot: Snapshot, known: Mapping[str, tuple[bool, bool]]) -> str:
    chosen = ["w.place", *(f"s.{name}" for name in _STORED)]
    from_resource: list[str] = []
    types = snapshot.attribute_types
    for number, (key, (is_own, is_resource)) in enumerate(known.items()):
        values = []
        if is_own:
            values.append(_text_of(part, "spans", "s", key, types.get(("span", key))))
        if is_resource:
            values.append(f"r.v{number}")
            held = types.get(("resource", key))
            from_resource.append(
                f"CASE WHEN {has_key(part, 'resources', 'r', key)} THEN"
                f" {_text_of(part, 'resources', 'r', key, held)} END AS v{number}"
            )
        chosen.append(f"coalesce({', '.join(values)}) AS {quote_identifier(f'{key}.{number}')}")
    if part.has_distances("spans"):
        relation = part.plain("spans")
        chosen[1 + _STORED.index(parents.PARENT)] = f"s.{parents.DISTANCE}"
        chosen += [f"s.{parents.ELSEWHERE}", f"s.rowid AS {parents.ROW}"]
    else:
        relation = part.relation("spans", wanted=_columns_of_spans(known))
    sql = f"SELECT {', '.join(chosen)} FROM {relation} s"
    sql += f" JOIN {WANTED} w ON w.trace_hi = s.trace_hi AND w.trace_lo = s.trace_lo"
    if from_resource:
        sql += (
            " LEFT JOIN (SELECT DISTINCT ON (r.resource_id) r.resource_id,"
            f" {', '.join(from_resource)} FROM {part.relation('resources')} r) r"
            " ON r.resource_id = s.resource_id"
        )
    return sql


def _columns_of_spans(known: Mapping[str, tuple[bool, bool]]) -> Sequence[str]:
    """The columns that `_whole_sql` names of hot spans."""
    names = ["trace_hi", "trace_lo", *_STORED]
    if any(is_resource for _, is_resource in known.values()):
        names.append("resource_id")
    if any(is_own for is_own, _ in known.values()):
        names += ATTRIBUTE_COLUMNS
    return names


def _text_of(part: Part, table: str, alias: str, key: str, sql_type: str | None) -> str:
    """SQL for a value as text. The type that the catalog has for the key says in which lists
    it can be; none says nothing."""
    value = value_as(part, table, alias, key, sql_type or "VARCHAR")
    return f"CAST({value} AS VARCHAR)"


def _links_sql(part: Part) -> str:
    chosen = ", ".join(f"s.{name}" for name in LINK_COLUMNS)
    return (
        f"SELECT {chosen} FROM {part.relation('span_links')} s"
        f" JOIN {WANTED} w ON w.trace_hi = s.trace_hi AND w.trace_lo = s.trace_lo"
    )


def _copies(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[Part], spans: pa.Table, places: Places
) -> npt.NDArray[np.bool_]:
    """Which rows repeat an earlier one in every field.

    Rows that share trace and span id are candidates; only those are read in full. `places`
    tells the traces of the rows apart.
    """
    span_id, row_ids = (spans.column(name).to_numpy() for name in ("span_id", "row_id"))
    # One sort of hashes: those that happen to be equal are told apart below.
    mixed = (span_id ^ places.astype(np.uint64) * _SPREAD) * _SPREAD
    ordered = np.sort(mixed)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not repeated.size:
        return np.zeros(len(row_ids), dtype=np.bool_)
    suspects = np.isin(mixed, repeated)
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
