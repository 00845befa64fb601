"""What one query sees: a fixed set of segments and hot rows, leased until it is done."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from longpole.storage.duckdb.bloom import Bloom
from longpole.storage.duckdb.folded import Folding
from longpole.storage.duckdb.pending_ids import PendingIds

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class AttributeColumn:
    """A typed column that a segment made of one common (key, type); type is `str`, `int`,
    `dbl` or `bool`."""

    table_name: str
    column_name: str
    key: str
    type: str


@dataclass(frozen=True, slots=True)
class Segment:
    """One sealed file. Times are those of its records (span starts, log and point times)."""

    segment_id: int
    kind: str  # spans, logs, metrics, derived
    path: Path
    row_count: int
    byte_count: int
    first_sequence: int
    last_sequence: int
    min_unix_nano: int
    max_unix_nano: int
    attribute_columns: tuple[AttributeColumn, ...]
    bloom: Bloom  # of trace ids
    folding: Folding | None = None  # of a derived file
    has_all_columns: bool = False  # none is missing because the file is older than it
    has_distances: bool = False  # of a file of spans: they say where their parents are
    # Small tables of this file that were read already, by name; None for one that is not small.
    kept: dict[str, pa.Table | None] = field(default_factory=dict, compare=False, repr=False)

    @property
    def alias(self) -> str:
        """The catalog name under which queries find it attached."""
        return f"seg_{self.segment_id}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that was readable at one moment.

    `hot` maps every table name of `model.telemetry` and `columns.DERIVED_TABLES` to one
    Arrow table (maybe empty). `superseded` has columns trace_hi, trace_lo, revision: derived
    rows of that trace with that revision or a lower one are hidden. `attribute_types` maps
    (`span` | `resource` | `log`, key) to the key's one SQL type: BIGINT, DOUBLE, VARCHAR or
    BOOLEAN. `pending` are the trace ids that hold spans no derived row accounts for. `losses`
    are sentences about data that was once accepted and is missing here (a lost segment, a
    damaged journal), for whoever reads an answer. `service_colours` are the numbers that services
    got when they first appeared.
    """

    segments: tuple[Segment, ...]
    hot: Mapping[str, pa.Table]
    superseded: pa.Table
    attribute_types: Mapping[tuple[str, str], str]
    pending: PendingIds = field(default_factory=PendingIds)
    is_replayed: bool = True
    losses: tuple[str, ...] = ()
    service_colours: Mapping[str, int] = field(default_factory=dict)

    def segments_of(self, kind: str) -> tuple[Segment, ...]:
        """The segments of one kind, newest records first."""
        chosen = (segment for segment in self.segments if segment.kind == kind)
        return tuple(sorted(chosen, key=lambda s: s.max_unix_nano, reverse=True))


class Lease(Protocol):
    """A snapshot held open: its files stay until the lease ends."""

    @property
    def snapshot(self) -> Snapshot: ...

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of this lease alone, in which every segment of the snapshot is
        attached read-only under its alias; closed with the lease. Registered names and
        temporary views are private to it. `interrupt()` on it stops the query."""
        ...


class SnapshotSource(Protocol):
    """Hands out leases."""

    def lease(self) -> AbstractContextManager[Lease]:
        """A lease on the present state, in constant time whatever is stored."""
        ...
