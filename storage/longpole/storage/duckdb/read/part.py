"""A place where rows lie: one sealed segment, or the hot tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longpole.model import columns
from longpole.model.signals import Signal
from longpole.model.telemetry import TABLES_OF_SIGNAL
from longpole.model.timerange import TimeRange
from longpole.storage.duckdb.folded import FOLDED_TABLES
from longpole.storage.duckdb.parents import TABLE as PARENTS_TABLE
from longpole.storage.duckdb.parents import with_parents
from longpole.storage.duckdb.read.identifiers import quote_identifier
from longpole.storage.duckdb.read.offered_hot import HOT_PREFIX, OfferedHot
from longpole.storage.duckdb.snapshot import Segment, Snapshot
from longpole.storage.duckdb.unfolding import unfolded

if TYPE_CHECKING:
    import duckdb

_LATEST = (1 << 63) - 1
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

    def relation(self, table: str, of: str = "", wanted: Collection[str] | None = None) -> str:
        """SQL for one table of this part, by its quoted name where it is one. `of` and `wanted` are
        hints for rows that are folded, see `unfolded`."""
        if self.segment is None:
            if isinstance(self.hot, OfferedHot):
                return quote_identifier(self.hot.register(table, wanted))
            return quote_identifier(HOT_PREFIX + table)
        if table in FOLDED_TABLES:
            return unfolded(self.segment.alias, self.segment.folding, table, of, wanted)
        stored = self.plain(table)
        if self.has_distances(table):
            return with_parents(stored)
        grown = GROWN_COLUMNS.get(table)
        if grown is None or self.segment.has_all_columns:
            return stored
        # Nothing is added to the rows: this names columns that an older file lacks.
        return f"(SELECT * FROM {stored} UNION ALL BY NAME SELECT {grown} WHERE false)"

    def without_parents(self, table: str) -> str:
        """The same for a query that names no parent of a span: it need not look for them."""
        return self.plain(table) if self.has_distances(table) else self.relation(table)

    def plain(self, table: str) -> str:
        """The same for a table without folded rows and a query that names no column of
        `GROWN_COLUMNS` and, where the part `has_distances`, no parent; cheaper to plan."""
        if self.segment is None:
            return self.relation(table)
        return f"{quote_identifier(self.segment.alias)}.main.{quote_identifier(table)}"

    def has_distances(self, table: str) -> bool:
        """Whether the rows of that table say where their parents are, see `parents`."""
        return table == PARENTS_TABLE and self.segment is not None and self.segment.has_distances

    def is_all_folded(self, table: str) -> bool:
        """Whether every row of that table is folded here."""
        folding = None if self.segment is None else self.segment.folding
        return folding is not None and table not in folding.plain

    def is_empty(self, table: str) -> bool:
        """Whether that table has no rows here, as far as is known without asking."""
        if isinstance(self.hot, OfferedHot):
            return not self.hot.has_rows(table)
        return self.segment is None and not self.hot[table].num_rows

    @property
    def newest_unix_nano(self) -> int:
        """No record here has a later time."""
        return _LATEST if self.segment is None else self.segment.max_unix_nano

    def may_begin_in(self, time: TimeRange) -> bool:
        """Whether a record here may have a time in that range."""
        segment = self.segment
        return segment is None or (
            segment.max_unix_nano >= time.start_unix_nano
            and segment.min_unix_nano < time.end_unix_nano
        )

    def may_hold(self, hi: npt.NDArray[np.uint64], lo: npt.NDArray[np.uint64]) -> bool:
        """Whether rows of any of these traces may lie here."""
        return self.segment is None or bool(self.may_hold_each(hi, lo).any())

    def may_hold_each(
        self, hi: npt.NDArray[np.uint64], lo: npt.NDArray[np.uint64]
    ) -> npt.NDArray[np.bool_]:
        """The same for each of them."""
        if self.segment is None:
            return np.ones(hi.size, np.bool_)
        return self.segment.bloom.contains(hi, lo)


def parts_of(snapshot: Snapshot, table: str) -> list[Part]:
    """Every part with rows of a table: the hot one first, then segments, newest first."""
    parts = [Part(None, hot=snapshot.hot)] if snapshot.hot[table].num_rows else []
    for segment in snapshot.segments_of(KIND_OF_TABLE[table]):
        typed = {(c.table_name, c.key, c.type): c.column_name for c in segment.attribute_columns}
        parts.append(Part(segment, typed))
    return parts


def parts_among(
    snapshot: Snapshot, table: str, hi: npt.NDArray[np.uint64], lo: npt.NDArray[np.uint64]
) -> list[Part]:
    """Those parts that may have rows of these traces in that table; the hot one, if it has any,
    with hardly any others. For ids that are few beside all that are stored."""
    found = []
    for part in parts_of(snapshot, table):
        if part.segment is None and isinstance(part.hot, OfferedHot):
            part = replace(part, hot=part.hot.among(hi, lo))
            if not part.is_empty(table):
                found.append(part)
        elif part.may_hold(hi, lo):
            found.append(part)
    return found


def prepared(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> Snapshot:
    """The snapshot for questions over this connection: what is superseded is known to it, and hot
    tables become known as `Part.relation` names them."""
    import duckdb  # late: a server accepts data before it has paid for this import

    if duckdb.__version__.startswith("1."):
        # DuckDB 1.5 hands the few ids of a join to Arrow as signed integers and overflows.
        connection.execute("SET dynamic_or_filter_threshold = 0")
    if snapshot.superseded.num_rows:
        connection.register(SUPERSEDED, snapshot.superseded)
    return replace(snapshot, hot=OfferedHot(connection, snapshot.hot))


def register_hot(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
    """Make all hot tables and the superseded revisions known under their internal names."""
    offered = prepared(connection, snapshot)
    for name in offered.hot:
        connection.register(HOT_PREFIX + name, offered.hot[name])
    if not snapshot.superseded.num_rows:
        connection.register(SUPERSEDED, snapshot.superseded)


def halves(trace_ids: Iterable[int]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Trace ids as the two columns that storage keeps."""
    packed = b"".join([trace_id.to_bytes(16, "big") for trace_id in trace_ids])
    pairs = np.frombuffer(packed, dtype=">u8").astype(np.uint64).reshape(-1, 2)
    return np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])
