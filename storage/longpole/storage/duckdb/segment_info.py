"""What a segment says about itself: one row, from which a lost manifest is rebuilt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from longpole.model import columns
from longpole.model.signals import Signal
from longpole.model.telemetry import RECORD_TABLE, TABLES_OF_SIGNAL
from longpole.storage.duckdb.bloom import Bloom
from longpole.storage.duckdb.folded import Folding, folding_of
from longpole.storage.duckdb.manifest import SegmentEntry
from longpole.storage.duckdb.parents import has_distances
from longpole.storage.duckdb.snapshot import AttributeColumn, Segment

if TYPE_CHECKING:
    import duckdb

TABLES_OF_KIND: Mapping[str, tuple[str, ...]] = {
    "spans": tuple(TABLES_OF_SIGNAL[Signal.TRACES]),
    "logs": tuple(TABLES_OF_SIGNAL[Signal.LOGS]),
    "metrics": tuple(TABLES_OF_SIGNAL[Signal.METRICS]),
    "derived": (*columns.DERIVED_TABLES, "settlements"),
}
# The table whose rows are counted, and where their time stands.
RECORDS_OF_KIND = {
    "spans": ("spans", "start_unix_nano"),
    "logs": ("logs", "time_unix_nano"),
    "metrics": ("metric_points", "time_unix_nano"),
    "derived": ("traces", "start_unix_nano"),
}
KIND_OF_SIGNAL = {
    signal: kind
    for signal, table in RECORD_TABLE.items()
    for kind, (name, _) in RECORDS_OF_KIND.items()
    if name == table
}
_SQL = Path(__file__).with_name("segment_info.sql")


@dataclass(frozen=True, slots=True)
class Layout:
    """What files of earlier versions have otherwise, see `Segment`."""

    folding: Folding | None
    has_all_columns: bool
    has_distances: bool


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """The row of `segment_info`.

    `siblings` are all segments of the same seal, itself included: if one of them is missing
    when a manifest is rebuilt, the seal never finished and the journal still has its frames.
    `replaced` are the segments whose rows are in here.
    """

    segment_id: int
    kind: str
    row_count: int
    first_sequence: int
    last_sequence: int
    min_unix_nano: int
    max_unix_nano: int
    stored_unix_nano: int
    settled_through: int
    siblings: tuple[int, ...]
    replaced: tuple[int, ...]
    attribute_types: Mapping[tuple[str, str], str]
    bloom: Bloom

    def entry(self, byte_count: int) -> SegmentEntry:
        """The manifest's row for this segment."""
        return SegmentEntry(
            self.segment_id, self.kind, self.row_count, byte_count, self.first_sequence,
            self.last_sequence, self.min_unix_nano, self.max_unix_nano, self.stored_unix_nano,
        )  # fmt: skip


def write_info(
    cursor: duckdb.DuckDBPyConnection,
    alias: str,
    info: SegmentInfo,
    attribute_columns: tuple[AttributeColumn, ...],
) -> None:
    """Create and fill `segment_info` and `attribute_columns` of an attached file."""
    for statement in _SQL.read_text().format(alias=alias).split(";"):
        if statement.strip():
            cursor.execute(statement)
    types = json.dumps([[*pair, sql_type] for pair, sql_type in info.attribute_types.items()])
    cursor.execute(
        f"INSERT INTO {alias}.segment_info VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
        [info.segment_id, info.kind, info.row_count, info.first_sequence, info.last_sequence,
         info.min_unix_nano, info.max_unix_nano, info.stored_unix_nano, info.settled_through,
         list(info.siblings), list(info.replaced), types, info.bloom.to_bytes()],
    )  # fmt: skip
    if attribute_columns:
        cursor.executemany(
            f"INSERT INTO {alias}.attribute_columns VALUES (?,?,?,?)",
            [[c.table_name, c.column_name, c.key, c.type] for c in attribute_columns],
        )


def read_info(cursor: duckdb.DuckDBPyConnection, alias: str) -> SegmentInfo:
    """The row of an attached file; duckdb.Error when it has none."""
    row = cursor.execute(f"SELECT * FROM {alias}.segment_info").fetchall()[0]
    types = {(scope, key): sql_type for scope, key, sql_type in json.loads(row[11])}
    return SegmentInfo(
        segment_id=row[0],
        kind=row[1],
        row_count=row[2],
        first_sequence=row[3],
        last_sequence=row[4],
        min_unix_nano=row[5],
        max_unix_nano=row[6],
        stored_unix_nano=row[7],
        settled_through=row[8],
        siblings=tuple(row[9]),
        replaced=tuple(row[10]),
        attribute_types=types,
        bloom=Bloom.from_bytes(bytes(row[12])),
    )


def read_segment(cursor: duckdb.DuckDBPyConnection, entry: SegmentEntry, path: Path) -> Segment:
    """What queries need of a file that is attached under `seg_<id>`."""
    alias = f"seg_{entry.segment_id}"
    layout = _layout_of(cursor, alias, entry.kind)
    columns = _read_attribute_columns(cursor, alias)
    return segment_of(read_info(cursor, alias), path, entry.byte_count, columns, layout)


def segment_from_entry(
    cursor: duckdb.DuckDBPyConnection, entry: SegmentEntry, path: Path
) -> Segment:
    """The same of a file of which only `segment_info` is damaged, by what the manifest says of
    it; its Bloom filter lets every trace pass."""
    alias = f"seg_{entry.segment_id}"
    layout = _layout_of(cursor, alias, entry.kind)
    columns = _read_attribute_columns(cursor, alias)
    info = SegmentInfo(
        entry.segment_id, entry.kind, entry.row_count, entry.first_sequence, entry.last_sequence,
        entry.min_unix_nano, entry.max_unix_nano, entry.stored_unix_nano,
        settled_through=0, siblings=(entry.segment_id,), replaced=(), attribute_types={},
        bloom=Bloom(np.full(8, 0xFF, dtype=np.uint8)),
    )  # fmt: skip
    return segment_of(info, path, entry.byte_count, columns, layout)


def _layout_of(cursor: duckdb.DuckDBPyConnection, alias: str, kind: str) -> Layout:
    """How an attached file is laid out."""
    return Layout(
        folding_of(cursor, alias) if kind == "derived" else None,
        _has_all_columns(cursor, alias, kind),
        kind == "spans" and has_distances(cursor, alias),
    )


def _has_all_columns(cursor: duckdb.DuckDBPyConnection, alias: str, kind: str) -> bool:
    """Whether a file was written after its tables got their youngest columns."""
    import duckdb

    if kind != "derived":
        return True
    try:
        cursor.execute(f"SELECT clocks FROM {alias}.traces LIMIT 0")
    except duckdb.BinderException:
        return False
    return True


def _read_attribute_columns(
    cursor: duckdb.DuckDBPyConnection, alias: str
) -> tuple[AttributeColumn, ...]:
    rows = cursor.execute(
        f"SELECT table_name, column_name, key, type FROM {alias}.attribute_columns"
    ).fetchall()
    return tuple(AttributeColumn(*row) for row in rows)


def segment_of(
    info: SegmentInfo,
    path: Path,
    byte_count: int,
    attribute_columns: tuple[AttributeColumn, ...],
    layout: Layout,
) -> Segment:
    """The queries' view of a file that says this of itself."""
    return Segment(
        segment_id=info.segment_id,
        kind=info.kind,
        path=path,
        row_count=info.row_count,
        byte_count=byte_count,
        first_sequence=info.first_sequence,
        last_sequence=info.last_sequence,
        min_unix_nano=info.min_unix_nano,
        max_unix_nano=info.max_unix_nano,
        attribute_columns=attribute_columns,
        bloom=info.bloom,
        folding=layout.folding,
        has_all_columns=layout.has_all_columns,
        has_distances=layout.has_distances,
    )
