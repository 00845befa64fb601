"""Salvage: writes what can still be read of a damaged segment into a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from longpole.model.ids import join_trace_id, trace_id_hex
from longpole.storage.duckdb import parents
from longpole.storage.duckdb.damage import ReadableRows, RowRange, is_damage
from longpole.storage.duckdb.definitions import replace_definitions
from longpole.storage.duckdb.manifest import SegmentEntry
from longpole.storage.duckdb.segment_info import (
    RECORDS_OF_KIND,
    TABLES_OF_KIND,
    SegmentInfo,
    read_info,
)
from longpole.storage.duckdb.segment_writer import SegmentFile, TraceIds
from longpole.storage.duckdb.snapshot import Segment, Snapshot

if TYPE_CHECKING:
    import duckdb

_WITH_PLACES = f"*, rowid AS {parents.ROW}"
_BY_TRACE = ("spans", "span_events", "span_links")
_DEFINITIONS = ("metric_series", "resources", "scopes")  # a series names the other two


@dataclass(slots=True)
class Salvaged:
    """What came of it: records that were written, rows lost by table with a clause on each, and
    clauses on what was replaced."""

    row_count: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    details: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def lose(self, table_name: str, count: int, detail: str) -> None:
        """Note a loss of so many rows. Of definitions it is not yet known what it means."""
        self.lost[table_name] = self.lost.get(table_name, 0) + count
        if table_name not in _DEFINITIONS:
            self.details.append(detail)


def salvage(
    cursor: duckdb.DuckDBPyConnection,
    damaged: Segment,
    snapshot: Snapshot,
    entry: SegmentEntry,
    file: SegmentFile,
    attribute_types: Mapping[tuple[str, str], str],
) -> Salvaged:
    """Fill and finish `file` with the rows of `damaged` that can be read.

    Definitions (resources, scopes, metric series) that cannot are looked for in the `snapshot`;
    without its definition a metric point is lost, too, while a span or a log record keeps what
    it says itself, beside a definition that is empty. `attribute_types` stands in for the
    file's own list. Raises duckdb.Error for what is no damage; then `file` is to be abandoned.
    """
    result = Salvaged()
    trace_ids = TraceIds(damaged.kind)
    for name in TABLES_OF_KIND[damaged.kind]:
        relation = f"{damaged.alias}.{name}"
        has_distances = damaged.has_distances and name == parents.TABLE
        rows = ReadableRows(cursor, relation, _WITH_PLACES if has_distances else "*")
        for table in rows:
            if has_distances:
                table = whole_spans(cursor, relation, rows, table)
            trace_ids.note(name, table)
            file.append(name, table)
        if rows.row_count is None:
            _lose_table(result, name, entry)
        elif rows.lost:
            whose = _whose(cursor, relation, rows.lost) if name in _BY_TRACE else ""
            detail = f"{rows.lost_count} of {rows.row_count} {name}{whose}"
            result.lose(name, rows.lost_count, detail)
    for name in _DEFINITIONS:
        if name in result.lost:
            replaced = replace_definitions(cursor, name, damaged, snapshot, file, result.lost)
            (result.details if name in result.lost else result.notes).extend(replaced)
    result.row_count = file.row_count(RECORDS_OF_KIND[damaged.kind][0])
    info = _info_of(cursor, damaged, entry, attribute_types)
    file.finish(
        replace(
            info,
            segment_id=file.segment_id,
            row_count=result.row_count,
            siblings=(file.segment_id,),
            replaced=tuple(sorted({damaged.segment_id, *info.replaced})),
            bloom=trace_ids.bloom(),
        )
    )
    return result


def whole_spans(
    cursor: duckdb.DuckDBPyConnection, relation: str, rows: ReadableRows, table: pa.Table
) -> pa.Table:
    """Spans with distances to where their parents will be. A parent is known from its row alone:
    a span whose parent cannot be read cannot be read as a whole, either."""

    def looked_up(places: parents.Rows) -> tuple[parents.Rows, parents.Ids]:
        found: list[tuple[int, int]] = []
        for place in places.tolist():
            sql = f"SELECT rowid, span_id FROM {relation} WHERE rowid = {place}"
            try:
                found += cursor.execute(sql).fetchall()
            except Exception as error:
                if not is_damage(error):
                    raise
        return (
            np.array([place for place, _ in found], np.int64),
            np.array([span_id for _, span_id in found], np.uint64),
        )

    places = table.column(parents.ROW).to_numpy()
    table, is_unknown = parents.by_id(table, looked_up)
    rows.lose(places[is_unknown].tolist())
    return parents.by_distance(table.filter(pa.array(~is_unknown)))


def _lose_table(result: Salvaged, name: str, entry: SegmentEntry) -> None:
    is_main = name == RECORDS_OF_KIND[entry.kind][0]
    count = entry.row_count if is_main else 1
    result.lose(name, count, f"all {entry.row_count} {name}" if is_main else f"all {name}")


def _whose(cursor: duckdb.DuckDBPyConnection, relation: str, lost: Sequence[RowRange]) -> str:
    """Which traces the lost rows can be of: those between the row before and the row after."""
    bounds: list[str] = []
    for row in (lost[0].first - 1, lost[-1].last + 1):
        try:
            found = cursor.execute(
                f"SELECT trace_hi, trace_lo FROM {relation} WHERE rowid = {row}"
            ).fetchall()
        except Exception as error:
            if not is_damage(error):
                raise
            found = []
        bounds.append(trace_id_hex(join_trace_id(*found[0])) if found else "")
    low, high = bounds
    if low and high:
        return f" (of traces from {low} to {high})"
    if low or high:
        return f" (of traces {'from' if low else 'up to'} {low or high}{' on' if low else ''})"
    return ""


def _info_of(
    cursor: duckdb.DuckDBPyConnection,
    damaged: Segment,
    entry: SegmentEntry,
    attribute_types: Mapping[tuple[str, str], str],
) -> SegmentInfo:
    """What the file says of itself, or what the manifest does when it no longer can."""
    try:
        return read_info(cursor, damaged.alias)
    except Exception as error:
        if not is_damage(error):
            raise
    return SegmentInfo(
        segment_id=damaged.segment_id,
        kind=damaged.kind,
        row_count=entry.row_count,
        first_sequence=entry.first_sequence,
        last_sequence=entry.last_sequence,
        min_unix_nano=entry.min_unix_nano,
        max_unix_nano=entry.max_unix_nano,
        stored_unix_nano=entry.stored_unix_nano,
        settled_through=0,
        siblings=(),
        replaced=(),
        attribute_types=attribute_types,
        bloom=damaged.bloom,
    )
