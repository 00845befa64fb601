"""A place where rows lie: one sealed segment, or the hot tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longpole.model import columns
from longpole.model.signals import Signal
from longpole.model.telemetry import TABLES_OF_SIGNAL
from longpole.storage.duckdb.read.identifiers import quote_identifier
from longpole.storage.duckdb.snapshot import Segment, Snapshot

if TYPE_CHECKING:
    import duckdb

HOT_PREFIX = "longpole_hot_"
SUPERSEDED = "longpole_superseded"

TABLES_OF_KIND: Mapping[str, Mapping[str, pa.Schema]] = {
    "spans": TABLES_OF_SIGNAL[Signal.TRACES],
    "logs": TABLES_OF_SIGNAL[Signal.LOGS],
    "metrics": TABLES_OF_SIGNAL[Signal.METRICS],
    "derived": columns.DERIVED_TABLES,
}
# Columns that tables got after files without them were written; they read as NULL there.
GROWN_COLUMNS: Mapping[str, str] = {"traces": "CAST(NULL AS VARCHAR) AS clocks"}
KIND_OF_TABLE = {
    table: kind
    for kind, tables in TABLES_OF_KIND.items()
    for table in tables
    if table not in ("resources", "scopes")
}


@dataclass(frozen=True, slots=True)
class Part:
    """One place. `segment` is None for the hot tables, which are then in `hot`; `typed` maps
    (table, key, type) to the column that holds those values here."""

    segment: Segment | None
    typed: Mapping[tuple[str, str, str], str] = field(default_factory=dict)
    hot: Mapping[str, pa.Table] = field(default_factory=dict)

    def relation(self, table: str) -> str:
        """The quoted SQL name of one table of this part."""
        if self.segment is None:
            return quote_identifier(HOT_PREFIX + table)
        stored = f"{quote_identifier(self.segment.alias)}.main.{quote_identifier(table)}"
        grown = GROWN_COLUMNS.get(table)
        if grown is None:
            return stored
        # Nothing is added to the rows: this names columns that an older file lacks.
        return f"(SELECT * FROM {stored} UNION ALL BY NAME SELECT {grown} WHERE false)"

    def may_hold(self, hi: npt.NDArray[np.uint64], lo: npt.NDArray[np.uint64]) -> bool:
        """Whether rows of any of these traces may lie here."""
        return self.segment is None or bool(self.segment.bloom.contains(hi, lo).any())


def parts_of(snapshot: Snapshot, table: str) -> list[Part]:
    """Every part with rows of a table: the hot one first, then segments, newest first."""
    parts = [Part(None, hot=snapshot.hot)] if snapshot.hot[table].num_rows else []
    for segment in snapshot.segments_of(KIND_OF_TABLE[table]):
        typed = {(c.table_name, c.key, c.type): c.column_name for c in segment.attribute_columns}
        parts.append(Part(segment, typed))
    return parts


def register_hot(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
    """Make the hot tables and the superseded revisions known under their internal names."""
    import duckdb  # late: a server accepts data before it has paid for this import

    if duckdb.__version__.startswith("1."):
        # DuckDB 1.5 hands the few ids of a join to Arrow as signed integers and overflows.
        connection.execute("SET dynamic_or_filter_threshold = 0")
    for name, table in snapshot.hot.items():
        connection.register(HOT_PREFIX + name, table)
    connection.register(SUPERSEDED, snapshot.superseded)


def halves(trace_ids: Iterable[int]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Trace ids as the two columns that storage keeps."""
    packed = b"".join([trace_id.to_bytes(16, "big") for trace_id in trace_ids])
    pairs = np.frombuffer(packed, dtype=">u8").astype(np.uint64).reshape(-1, 2)
    return np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])
