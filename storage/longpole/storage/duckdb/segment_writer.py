"""Writes one segment: Arrow tables in, a finished `.duckdb` file under a temporary name out.

A file is built with `no_wal_writes` in a private DuckDB instance, checkpointed, detached and
fsynced; `publish` renames it. Whatever goes wrong before that leaves a `.tmp` that the next
start deletes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longpole.storage.duckdb import parents
from longpole.storage.duckdb.bloom import Bloom
from longpole.storage.duckdb.catalog import SCOPE_OF_TABLE, SQL_TYPE, widest
from longpole.storage.duckdb.connection import arrow_table, open_instance
from longpole.storage.duckdb.folded import FOLDED_TABLES, TRACES, Folding
from longpole.storage.duckdb.folding import Folder
from longpole.storage.duckdb.hot import SCHEMAS
from longpole.storage.duckdb.manifest import segment_file_name
from longpole.storage.duckdb.ranges import row_group_rows
from longpole.storage.duckdb.segment_info import (
    RECORDS_OF_KIND,
    TABLES_OF_KIND,
    Layout,
    SegmentInfo,
    segment_of,
    write_info,
)
from longpole.storage.duckdb.snapshot import AttributeColumn, Segment
from longpole.storage.duckdb.typed_columns import promoted

if TYPE_CHECKING:
    import duckdb

# Columns that order a table, the most significant first.
SORTED_BY: Mapping[str, tuple[str, ...]] = {
    "logs": ("time_unix_nano",),
    "metric_points": ("series_id", "time_unix_nano"),
    "metric_series": ("series_id",),
    "resources": ("resource_id",),
    "scopes": ("scope_id",),
}
_BY_TRACE = ("trace_hi", "trace_lo")
# The tables that hold every trace id of a segment; metrics have none.
_IDS_OF_KIND = {"spans": ("spans",), "logs": ("logs",), "derived": ("traces", "settlements")}
# DuckDB allocates whole blocks: with the usual 256 KiB a file of a few rows takes 1.5 MB,
# with 16 KiB a tenth of that. In row groups of big files each column ends in a block that is
# half empty; from 32 KiB down, what strings have in common does not fit into one block.
_SMALL_ROWS = 50_000
_VECTOR_ROWS = 2_048  # DuckDB wants row groups of whole vectors
_SMALL_BLOCK, _BLOCK = 16_384, 65_536


class SegmentWriter:
    """Builds segment files in `directory`; one file at a time per `SegmentFile`."""

    def __init__(self, directory: Path, spill: Path, memory_limit_bytes: int, threads: int) -> None:
        self.directory = directory
        self._spill = spill
        self._memory_limit_bytes = memory_limit_bytes
        self._threads = threads
        self._instance: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection to the private instance, which keeps the order of rows."""
        with self._lock:
            if self._instance is None:
                self._instance = open_instance(
                    self._spill, self._memory_limit_bytes, self._threads, keeps_order=True
                )
                # A checkpoint after each piece would leave holes where its metadata was.
                self._instance.execute("SET checkpoint_threshold = '1TB'")
            return self._instance.cursor()

    def start(
        self,
        kind: str,
        segment_id: int,
        row_count: int,
        attribute_columns: tuple[AttributeColumn, ...],
    ) -> SegmentFile:
        """A new file for about so many rows."""
        return SegmentFile(self, kind, segment_id, row_count, attribute_columns)

    def close(self) -> None:
        """Give the instance back."""
        with self._lock:
            if self._instance is not None:
                self._instance.close()
                self._instance = None


class SegmentFile:
    """One file in the making: `prepared` rows to `append`, `finish`, `publish`; or `abandon`."""

    def __init__(
        self,
        writer: SegmentWriter,
        kind: str,
        segment_id: int,
        row_count: int,
        attribute_columns: tuple[AttributeColumn, ...],
    ) -> None:
        self.path = writer.directory / segment_file_name(kind, segment_id)
        self.temporary = self.path.with_name(self.path.name + ".tmp")
        self.attribute_columns = attribute_columns
        self._kind = kind
        self.folder = Folder()
        self._folding: Folding | None = None
        self._alias = f"new_{segment_id}"
        self._tables: set[str] = set()
        self._waiting: dict[str, pa.Table] = {}
        self.segment_id = segment_id
        self.info: SegmentInfo | None = None
        self.temporary.unlink(missing_ok=True)
        self._cursor = writer.cursor()
        self._is_attached = False
        block = _SMALL_BLOCK if row_count < _SMALL_ROWS else _BLOCK
        group = -(-row_group_rows(kind) // _VECTOR_ROWS) * _VECTOR_ROWS
        path = str(self.temporary).replace("'", "''")
        # v1.5.0 is the youngest format that both ends of the supported range open.
        self._cursor.execute(
            f"ATTACH '{path}' AS {self._alias} (STORAGE_VERSION 'v1.5.0', "
            f"RECOVERY_MODE 'no_wal_writes', BLOCK_SIZE {block}, ROW_GROUP_SIZE {group})"
        )
        self._is_attached = True

    def prepared(self, table_name: str, table: pa.Table) -> pa.Table:
        """Rows as this file keeps them: with typed columns (made of what is in lists, as far as
        they are not there yet), sorted, parents by distance. They are sorted second, since a flat
        column is sorted several times faster than lists are."""
        own = tuple(
            c for c in self.attribute_columns
            if c.table_name == table_name and c.column_name not in table.column_names
        )  # fmt: skip
        table = sort_rows(table_name, promoted(table, own) if own else table)
        return parents.by_distance(table) if table_name == parents.TABLE else table

    def folded(self, tables: Mapping[str, pa.Table]) -> Mapping[str, pa.Table]:
        """Prepared tables as this file keeps them: derived rows folded."""
        return self.folder.fold(tables) if self._kind == "derived" else tables

    def append(self, table_name: str, table: pa.Table) -> None:
        """Add prepared rows; later ones come after earlier ones in the order of the table."""
        # What comes in whole row groups DuckDB compresses and puts on disk at once; other rows it
        # keeps as they are in memory until the end, or writes them twice.
        waiting = self._waiting.pop(table_name, None)
        if waiting is not None:
            table = pa.concat_tables((waiting, table))
        rows = row_group_rows(self._kind)
        whole = table.num_rows // rows * rows
        if whole:
            self._insert(table_name, table.slice(0, whole))
        left = table.slice(whole)
        # A slice keeps the rows beside it in memory, one without rows, too.
        self._waiting[table_name] = left if left.num_rows else table.schema.empty_table()

    def _insert(self, table_name: str, table: pa.Table) -> None:
        target = f"{self._alias}.{table_name}"
        # Of rows in chunks it makes row groups that are not full, and writes those twice.
        self._cursor.register("incoming", table.combine_chunks())
        if table_name in self._tables:
            self._cursor.execute(f"INSERT INTO {target} SELECT * FROM incoming")
        else:
            self._cursor.execute(f"CREATE TABLE {target} AS SELECT * FROM incoming")
            self._tables.add(table_name)
        self._cursor.unregister("incoming")

    def _insert_waiting(self) -> None:
        for name, table in self._waiting.items():
            if table.num_rows or name not in self._tables:
                self._insert(name, table)
        self._waiting.clear()

    def ask(self, sql: str) -> pa.Table:
        """The answer of a query over what was appended so far; `{file}` stands for this file."""
        self._insert_waiting()
        return arrow_table(self._cursor, sql.format(file=self._alias))

    def change(self, sql: str) -> None:
        """Run a statement that changes what was appended; `{file}` stands for this file."""
        self._insert_waiting()
        self._cursor.execute(sql.format(file=self._alias))

    def row_count(self, table_name: str) -> int:
        """How many rows a table has by now."""
        self._insert_waiting()
        if table_name not in self._tables:
            return 0
        return int(self.ask(f"SELECT count(*) FROM {{file}}.{table_name}").column(0)[0].as_py())

    def finish(self, info: SegmentInfo) -> None:
        """Complete the temporary file and put it on disk."""
        for name in TABLES_OF_KIND[self._kind]:
            if name not in self._tables and name not in self._waiting:
                schema = TRACES if name == "traces" else SCHEMAS[name]
                self.append(name, self.prepared(name, schema.empty_table()))
        if self._kind == "derived":
            for name, dictionary in self.folder.dictionaries.items():
                self.append(name, dictionary.table())
            self._folding = Folding(
                frozenset(name for name in FOLDED_TABLES if self.row_count(name))
            )
        self._insert_waiting()
        write_info(self._cursor, self._alias, info, self.attribute_columns)
        self._cursor.execute(f"CHECKPOINT {self._alias}")
        self._detach()
        with self.temporary.open("rb+") as file:
            os.fsync(file.fileno())
        self.info = info

    def publish(self) -> Segment:
        """Rename into place; the caller fsyncs the directory once for all files."""
        assert self.info is not None, "finish() comes first"
        os.rename(self.temporary, self.path)
        byte_count = self.path.stat().st_size
        layout = Layout(self._folding, has_all_columns=True, has_distances=self._kind == "spans")
        return segment_of(self.info, self.path, byte_count, self.attribute_columns, layout)

    def abandon(self) -> None:
        """Forget the file, whatever its state. Never raises."""
        try:
            self._detach()
        except Exception:
            self._is_attached = False
        for path in (self.temporary, self.path):
            try:
                path.unlink(missing_ok=True)
            except OSError:
                continue  # the next start deletes or quarantines it

    def _detach(self) -> None:
        if self._is_attached:
            self._cursor.execute(f"DETACH {self._alias}")
            self._is_attached = False
            self._cursor.close()


def sort_rows(table_name: str, table: pa.Table) -> pa.Table:
    """The rows in the order that segments keep; equal keys stay in order of arrival."""
    table = table.combine_chunks()
    keys = [table.column(name).to_numpy() for name in SORTED_BY.get(table_name, _BY_TRACE)]
    if table.num_rows < 2:
        return table
    order = np.lexsort(tuple(reversed(keys)))
    return table.take(pa.array(order))


class TraceIds:
    """Collects the trace ids of what is written to one segment, for its Bloom filter."""

    def __init__(self, kind: str) -> None:
        self._table_names = _IDS_OF_KIND.get(kind, ())
        self._hi = [np.empty(0, np.uint64)]
        self._lo = [np.empty(0, np.uint64)]

    def note(self, table_name: str, table: pa.Table) -> None:
        """These rows are written; id 0 is none."""
        if table_name not in self._table_names:
            return
        hi, lo = (table.column(name).to_numpy() for name in _BY_TRACE)
        # Repeats would only make the filter bigger; in trace order they are neighbours.
        is_new = np.ones(hi.size, dtype=np.bool_)
        is_new[1:] = (hi[1:] != hi[:-1]) | (lo[1:] != lo[:-1])
        is_new &= (hi != 0) | (lo != 0)
        self._hi.append(hi[is_new])
        self._lo.append(lo[is_new])

    def bloom(self) -> Bloom:
        """The filter of all ids noted."""
        return Bloom.of(np.concatenate(self._hi), np.concatenate(self._lo))


def time_bounds(kind: str, tables: Mapping[str, pa.Table]) -> tuple[int, int]:
    """Lowest and highest time of the records; (0, 0) without any."""
    name, column = RECORDS_OF_KIND[kind]
    if name not in tables or not tables[name].num_rows:
        return 0, 0
    bounds = pc.min_max(tables[name].column(column)).as_py()
    return bounds["min"], bounds["max"]


def attribute_types(
    tables: Mapping[str, pa.Table], counts: Mapping[str, Mapping[tuple[str, str], int]]
) -> dict[tuple[str, str], str]:
    """(scope, key) to SQL type over the canonical tables of one segment; `counts` are their
    `key_counts` by table."""
    types: dict[tuple[str, str], str] = {}
    for name, scope in SCOPE_OF_TABLE.items():
        if name not in tables:
            continue
        others = pc.unique(pc.list_flatten(tables[name].column("attr_other_keys"))).to_pylist()
        for key, type_name in [*counts[name], *((key, "other") for key in others)]:
            held = types.get((scope, key))
            own = SQL_TYPE[type_name]
            types[(scope, key)] = own if held is None else widest(held, own)
    return types
