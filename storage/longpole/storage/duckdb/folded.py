"""Folded rows: a derived file keeps the path segments and RED rows of a trace beside its trace.

A row of `path_segments` or `red` says little of its own; most of it is said again in thousands of
other rows, or by its neighbours. So a derived file has, instead of those rows, lists beside each
trace and three small dictionaries:

    traces:     … root, start, path_kinds [4, 9, 4], path_ends [20, 95, 130] (ns after the start),
                               path_spans [0, 1, 0] (0: the root) of path_span_ids [07…]
    path_kinds: 4 = (root and own service and operation, peer, call path, label), 9 = …

Segments partition the time of their trace, so each begins where the one before it ends. What does
not fit (a path with holes, a dictionary that is full) stays a row of the plain tables, which every
file has. Files of earlier versions have plain rows only. `folding` writes all this,
`unfolding` has the SQL that gives the rows back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from longpole.model import columns
from longpole.storage.duckdb.connection import arrow_table

if TYPE_CHECKING:
    import duckdb

FOLDED_TABLES = ("path_segments", "red", "settlements")
_PLACES = pa.list_(pa.uint16())
_NANOS = pa.list_(pa.int64())
PATH_LISTS = pa.schema(
    [
        pa.field("path_kinds", _PLACES),  # `place` in the dictionary of that name
        # Which of `path_span_ids`, counted from 1; 0 is the root.
        pa.field("path_spans", _PLACES),
        pa.field("path_ends", _NANOS),  # after `start_unix_nano`
        pa.field("path_span_ids", pa.list_(pa.uint64())),
    ]
)
RED_LISTS = pa.schema(
    [
        pa.field("red_kinds", _PLACES),
        pa.field("red_steps", pa.list_(pa.int32())),  # after the step of `start_unix_nano`
        pa.field("red_buckets", _PLACES),
        pa.field("red_duration_sums_ns", _NANOS),
        pa.field("red_critical_ns", _NANOS),  # of the first rows; the others have none
    ]
)
# `through_row_id` is that of `hot.SETTLEMENTS`.
TRACES = pa.schema(
    [*columns.TRACES, pa.field("through_row_id", pa.uint64()), *PATH_LISTS, *RED_LISTS]
)

MOST_ENTRIES = 1 << 16  # of a dictionary: `place` has 16 bits
_PLACE = pa.field("place", pa.uint16())


def _entries(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    return pa.schema([_PLACE, *(schema.field(name) for name in names)])


DICTIONARIES: Mapping[str, pa.Schema] = {
    "path_kinds": _entries(
        columns.PATH_SEGMENTS,
        (
            "root_service", "root_operation", "service", "operation", "peer_service",
            "call_path_id", "label",
        ),
    ),
    "red_kinds": _entries(columns.RED, ("service", "operation", "kind", "status_code")),
    "red_buckets": _entries(columns.RED, ("count", "bucket_counts")),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Folding:
    """Of a file with folded rows: which of `FOLDED_TABLES` have plain rows, too."""

    plain: frozenset[str]


def folding_of(cursor: duckdb.DuckDBPyConnection, alias: str) -> Folding | None:
    """How an attached derived file is folded; None when an earlier version wrote it."""
    import duckdb

    try:
        cursor.execute(f"SELECT place FROM {alias}.path_kinds LIMIT 0")
    except duckdb.CatalogException:
        return None
    plain = set()
    for table in FOLDED_TABLES:
        ((count,),) = cursor.execute(f"SELECT count(*) FROM {alias}.{table}").fetchall()
        if count:
            plain.add(table)
    return Folding(frozenset(plain))


class Dictionary:
    """One dictionary of a file in the making."""

    def __init__(self, name: str) -> None:
        self.schema = DICTIONARIES[name]
        self._places: dict[tuple[object, ...], int] = {}

    def place(self, entry: tuple[object, ...]) -> int:
        """The place of an entry, which is added when it is new; -1 once the dictionary is full."""
        known = self._places.get(entry)
        if known is not None:
            return known
        if len(self._places) >= MOST_ENTRIES:
            return -1
        self._places[entry] = place = len(self._places)
        return place

    def table(self) -> pa.Table:
        """All entries."""
        entries = (
            zip(*self._places, strict=True) if self._places else ((),) * (len(self.schema) - 1)
        )
        held = [list(self._places.values()), *entries]
        return pa.table(
            [
                pa.array(list(values), field.type)
                for values, field in zip(held, self.schema, strict=True)
            ],
            schema=self.schema,
        )


def read_dictionary(cursor: duckdb.DuckDBPyConnection, alias: str, name: str) -> pa.Table:
    """A dictionary of an attached file, by place."""
    schema = DICTIONARIES[name]
    rows = arrow_table(cursor, f"SELECT * FROM {alias}.{name} ORDER BY place")
    return rows.select(schema.names).cast(schema)
