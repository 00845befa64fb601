"""Segments and leases made by hand, as storage/README.md describes them, without the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from longpole.model import columns
from longpole.storage.duckdb.bloom import Bloom
from longpole.storage.duckdb.parents import by_distance
from longpole.storage.duckdb.pending_ids import PendingIds
from longpole.storage.duckdb.read.part import KIND_OF_TABLE, TABLES_OF_KIND
from longpole.storage.duckdb.snapshot import AttributeColumn, Segment, Snapshot

Row = dict[str, Any]
SQL_TYPES = {"str": "VARCHAR", "int": "BIGINT", "dbl": "DOUBLE", "bool": "BOOLEAN"}
SCHEMAS = {name: schema for tables in TABLES_OF_KIND.values() for name, schema in tables.items()}
SUPERSEDED = pa.schema([columns.TRACES.field(n) for n in ("trace_hi", "trace_lo", "revision")])


def lists_of(attributes: Mapping[str, Any]) -> Row:
    """The ten list columns of a map; a value that is none of the four types is JSON text in a
    one-element tuple."""
    row: Row = {name: [] for name in columns.ATTRIBUTE_COLUMNS}
    for key, value in attributes.items():
        kind, kept = kind_of(value), value[0] if isinstance(value, tuple) else value
        row[f"attr_{kind}_keys"].append(key)
        row[f"attr_{kind}_vals"].append(kept)
    return row


def kind_of(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    return {str: "str", int: "int", float: "dbl", tuple: "other"}[type(value)]


def table_of(name: str, rows: Sequence[Row]) -> pa.Table:
    """Rows with the zero value of every column that they leave out."""
    schema = SCHEMAS[name]
    zero = {f.name: _zero(f.type) for f in schema}
    full = []
    for row in rows:
        plain = {key: value for key, value in row.items() if key != "attributes"}
        lists = lists_of(row.get("attributes", {})) if "attr_str_keys" in schema.names else {}
        full.append({**zero, **lists, **plain})
    return pa.Table.from_pylist(full, schema=schema)


def _zero(kind: pa.DataType) -> object:
    if pa.types.is_string(kind):
        return ""
    if pa.types.is_list(kind):
        return []
    return False if pa.types.is_boolean(kind) else 0


@dataclass
class HandMadeSource:
    """Hands out leases on segments and hot rows that a test put there."""

    folder: Path
    segments: list[Segment] = field(default_factory=list)
    hot: dict[str, list[pa.Table]] = field(default_factory=dict)
    superseded: list[Row] = field(default_factory=list)
    types: dict[tuple[str, str], str] = field(default_factory=dict)
    pending: set[int] = field(default_factory=set)
    is_replayed: bool = True
    losses: tuple[str, ...] = ()
    # Opened at the first lease: an instance of DuckDB takes longer than most of the questions.
    _instance: duckdb.DuckDBPyConnection | None = field(default=None, init=False, repr=False)
    _attached: int = field(default=0, init=False, repr=False)

    @property
    def snapshot(self) -> Snapshot:
        hot = {
            name: pa.concat_tables([schema.empty_table(), *self.hot.get(name, [])])
            for name, schema in SCHEMAS.items()
        }
        superseded = pa.Table.from_pylist(self.superseded, schema=SUPERSEDED)
        return Snapshot(
            tuple(self.segments), hot, superseded, dict(self.types), PendingIds.of(self.pending),
            self.is_replayed, self.losses,
        )  # fmt: skip

    @contextmanager
    def lease(self) -> Iterator[HandMadeLease]:
        if self._instance is None:
            self._instance = duckdb.connect(":memory:")
        for segment in self.segments[self._attached :]:
            self._instance.execute(f"ATTACH '{segment.path}' AS {segment.alias} (READ_ONLY)")
            self._attached += 1
        yield HandMadeLease(self.snapshot, self._instance)

    def copied(self, folder: Path) -> HandMadeSource:
        """One with the same rows, whose own go into `folder`: this one stays as it is."""
        return replace(
            self, folder=folder, segments=list(self.segments), superseded=list(self.superseded),
            hot={name: list(tables) for name, tables in self.hot.items()}, types=dict(self.types),
            pending=set(self.pending),
        )  # fmt: skip

    def add_hot(self, **tables: Sequence[Row]) -> None:
        """Rows by table name."""
        for name, rows in tables.items():
            self._learn(name, rows)
            self.hot.setdefault(name, []).append(table_of(name, rows))

    def add_segment(self, typed: Sequence[str] = (), **tables: Sequence[Row]) -> None:
        """One sealed file; attributes named in `typed` get columns of their own."""
        number = len(self.segments) + 1
        kind = next(KIND_OF_TABLE[name] for name in tables if name in KIND_OF_TABLE)
        path = self.folder / f"{kind}-{number}.duckdb"
        learned: list[AttributeColumn] = []
        with duckdb.connect(str(path)) as file:
            for name in TABLES_OF_KIND[kind]:
                rows = tables.get(name, ())
                self._learn(name, rows)
                learned += _write(file, name, rows, typed)
        records = next(name for name in TABLES_OF_KIND[kind] if name in tables)
        main = table_of(records, tables[records])
        times = [
            value
            for column in ("start_unix_nano", "time_unix_nano", "step_unix_nano")
            if column in main.column_names
            for value in main.column(column).to_pylist()
        ] or [0]
        if "trace_hi" in main.column_names:
            bloom = Bloom.of(main["trace_hi"].to_numpy(), main["trace_lo"].to_numpy())
        else:
            bloom = Bloom.of(*(pa.array([], pa.uint64()).to_numpy(),) * 2)
        self.segments.append(
            Segment(
                number, kind, path, main.num_rows, path.stat().st_size, number, number,
                min(times), max(times), tuple(learned), bloom, has_distances=kind == "spans",
            )
        )  # fmt: skip

    def _learn(self, name: str, rows: Sequence[Row]) -> None:
        scope = {"spans": "span", "resources": "resource", "logs": "log"}.get(name)
        for row in rows if scope else ():
            for key, value in row.get("attributes", {}).items():
                mine = SQL_TYPES.get(kind_of(value), "VARCHAR")
                known = self.types.setdefault((scope or "", key), mine)
                if known != mine:
                    numbers = {known, mine} == {"BIGINT", "DOUBLE"}
                    self.types[scope or "", key] = "DOUBLE" if numbers else "VARCHAR"


@dataclass
class HandMadeLease:
    """One snapshot with every segment attached."""

    snapshot: Snapshot
    instance: duckdb.DuckDBPyConnection

    def cursor(self) -> duckdb.DuckDBPyConnection:
        return self.instance.cursor()


def _write(
    file: duckdb.DuckDBPyConnection, name: str, rows: Sequence[Row], typed: Sequence[str]
) -> list[AttributeColumn]:
    pairs: dict[tuple[str, str], str] = {}
    remainder = []
    extras: list[Row] = []
    for row in sorted(rows, key=lambda r: (r.get("trace_hi", 0), r.get("trace_lo", 0))):
        kept, extra = dict(row.get("attributes", {})), Row()
        if name in ("spans", "logs"):
            for key in [k for k in kept if k in typed and not isinstance(kept[k], tuple)]:
                column = pairs.setdefault((key, kind_of(kept[key])), f"a{len(pairs)}")
                extra[column] = kept.pop(key)
        remainder.append({**row, "attributes": kept})
        extras.append(extra)
    table = table_of(name, remainder)
    for (_, kind), column in pairs.items():
        arrow = {"str": pa.string(), "int": pa.int64(), "dbl": pa.float64(), "bool": pa.bool_()}
        table = table.append_column(column, pa.array([e.get(column) for e in extras], arrow[kind]))
    if name == "spans":
        table = by_distance(table)
    file.register("incoming", table)
    file.execute(f"CREATE TABLE {name} AS SELECT * FROM incoming")
    file.unregister("incoming")
    return [AttributeColumn(name, column, key, kind) for (key, kind), column in pairs.items()]
