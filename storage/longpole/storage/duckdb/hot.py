"""Hot rows: what is durable in the journal and not yet in a segment, as Arrow tables.

Batches are appended to the current generation. A seal freezes a generation as it stands;
it stays readable until its segments are, while new batches go to the next one. Replayed
frames have a generation of their own, so that a seal during replay can never cover a frame
that is still to be replayed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longpole.model import columns
from longpole.model.telemetry import TABLES_OF_SIGNAL

# What storage itself remembers of a settlement, beside the analyzer's rows: which spans the
# revision explained, so that a restart knows whether it is still current.
SETTLEMENTS = pa.schema(
    [
        pa.field("trace_hi", pa.uint64()),
        pa.field("trace_lo", pa.uint64()),
        pa.field("revision", pa.uint32()),
        pa.field("through_row_id", pa.uint64()),
    ]
)
SCHEMAS: Mapping[str, pa.Schema] = {
    **{name: schema for tables in TABLES_OF_SIGNAL.values() for name, schema in tables.items()},
    **columns.DERIVED_TABLES,
    "settlements": SETTLEMENTS,
}
ID_COLUMN = {"resources": "resource_id", "scopes": "scope_id", "metric_series": "series_id"}
TIME_COLUMN = {
    "spans": "start_unix_nano",
    "logs": "time_unix_nano",
    "metric_points": "time_unix_nano",
}

# Merging goes by tiers of 8: a row is copied about three times in all, and a query sees a
# few dozen chunks. From 8**5 rows on copying would hold up acknowledgements.
_FAN_IN = 8
_FINAL_TIER = 5


@dataclass(slots=True)
class Generation:
    """One run of batches; the owner's lock guards it.

    `first_sequence` is 0 while no frame came in. Times are those of records;
    `first_row_ns` is when the first row came, on the monotonic clock.
    """

    first_row_ns: int | None = None
    first_sequence: int = 0
    last_sequence: int = 0
    rows: int = 0
    byte_count: int = 0
    min_unix_nano: int | None = None
    max_unix_nano: int | None = None
    chunks: dict[str, tuple[pa.Table, ...]] = field(default_factory=dict)
    _seen: dict[str, set[int]] = field(default_factory=dict)

    def append(self, table_name: str, table: pa.Table, monotonic_ns: int) -> None:
        """Add rows; `resources`, `scopes` and `metric_series` are kept once per id."""
        if table_name in ID_COLUMN:
            table = self._unseen(table_name, table)
        if not table.num_rows:
            return
        if self.first_row_ns is None:
            self.first_row_ns = monotonic_ns
        self.chunks[table_name] = coalesced((*self.chunks.get(table_name, ()), table))
        if table_name in TIME_COLUMN or table_name == "traces":
            self.rows += table.num_rows
        if table_name in TIME_COLUMN:
            bounds = pc.min_max(table.column(TIME_COLUMN[table_name])).as_py()
            self._widen(bounds["min"], bounds["max"])

    def note_sequence(self, sequence_number: int) -> None:
        """A frame of that number is in here."""
        self.first_sequence = min(self.first_sequence or sequence_number, sequence_number)
        self.last_sequence = max(self.last_sequence, sequence_number)

    def row_count(self, table_name: str) -> int:
        """Rows of one table."""
        return sum(chunk.num_rows for chunk in self.chunks.get(table_name, ()))

    def prepend(self, older: Generation) -> None:
        """Take over the rows of an older generation."""
        for name, chunks in older.chunks.items():
            self.chunks[name] = (*chunks, *self.chunks.get(name, ()))
        self.rows += older.rows
        self.byte_count += older.byte_count
        for sequence in (older.first_sequence, older.last_sequence):
            if sequence:
                self.note_sequence(sequence)
        if older.first_row_ns is not None:
            self.first_row_ns = older.first_row_ns
        if older.min_unix_nano is not None and older.max_unix_nano is not None:
            self._widen(older.min_unix_nano, older.max_unix_nano)

    def _widen(self, low: int, high: int) -> None:
        self.min_unix_nano = low if self.min_unix_nano is None else min(self.min_unix_nano, low)
        self.max_unix_nano = high if self.max_unix_nano is None else max(self.max_unix_nano, high)

    def _unseen(self, table_name: str, table: pa.Table) -> pa.Table:
        seen = self._seen.setdefault(table_name, set())
        keep: list[int] = []
        for index, row_key in enumerate(table.column(ID_COLUMN[table_name]).to_pylist()):
            if row_key not in seen:
                seen.add(row_key)
                keep.append(index)
        if len(keep) == table.num_rows:
            return table
        # The usual case is that nothing is new; `take` would build thirty empty columns.
        return table.take(np.array(keep, dtype=np.int64)) if keep else table.slice(0, 0)


@dataclass(frozen=True, slots=True)
class HotTables:
    """Every hot table at one moment, immutable."""

    tables: Mapping[str, pa.Table]
    rows: int


class HotStore:
    """The generations, oldest first; the owner's lock guards every call."""

    def __init__(self) -> None:
        self.frozen: Generation | None = None
        self.replayed: Generation | None = Generation()
        self.live = Generation()
        self._view: HotTables | None = None
        self._tables: dict[str, tuple[list[tuple[pa.Table, ...]], pa.Table]] = {}

    def generations(self) -> tuple[Generation, ...]:
        """Frozen, replayed, live: those that there are."""
        return tuple(g for g in (self.frozen, self.replayed, self.live) if g is not None)

    def append(
        self,
        sequence_number: int,
        tables: Mapping[str, pa.Table],
        byte_count: int,
        monotonic_ns: int,
        *,
        is_replay: bool = False,
    ) -> dict[str, pa.Table]:
        """Take the rows of one request of so many bytes (its body's length will do: counting
        Arrow's buffers takes longer than storing a small request); answers with the rows as
        stored, row ids shifted."""
        target = self.replayed if is_replay and self.replayed is not None else self.live
        base = pa.scalar(columns.row_id_base(sequence_number), pa.uint64())
        stored: dict[str, pa.Table] = {}
        for name, table in tables.items():
            if table.num_rows and "row_id" in table.column_names:
                shifted = pc.add(table.column("row_id"), base)
                table = table.set_column(0, "row_id", shifted)
            stored[name] = table
        for name, table in stored.items():
            target.append(name, table, monotonic_ns)
        target.note_sequence(sequence_number)
        target.byte_count += byte_count
        self._view = None
        return stored

    def append_derived(self, tables: Mapping[str, pa.Table], monotonic_ns: int) -> None:
        """Take derived rows; they belong to no frame."""
        for name, table in tables.items():
            self.live.append(name, table, monotonic_ns)
            self.live.byte_count += table.nbytes
        self._view = None

    def finish_replay(self) -> None:
        """Replayed and live rows are one generation from now on."""
        replayed, self.replayed = self.replayed, None
        if replayed is None:
            return
        self.live.prepend(replayed)
        self._view = None

    def freeze(self) -> Generation | None:
        """The generation to seal: a frozen one that failed before, else the replayed one
        while replay goes on, else the live one. None when there is nothing to seal."""
        if self.frozen is None:
            candidate = self.live if self.replayed is None else self.replayed
            if not any(candidate.chunks.values()):
                return None
            self.frozen = candidate
            if self.replayed is None:
                self.live = Generation()
            else:
                self.replayed = Generation()
        return self.frozen

    def drop_frozen(self) -> None:
        """The frozen rows are in segments now."""
        self.frozen = None
        self._view = None
        self._tables.clear()  # they hold those rows, and nobody may ask for a while

    def _table(self, name: str, runs: list[tuple[pa.Table, ...]]) -> pa.Table:
        """One hot table; the same object until rows of its own come, so that what was worked out
        of it can be kept."""
        known = self._tables.get(name)
        is_same = known is not None and list(map(id, known[0])) == list(map(id, runs))
        if known is not None and is_same:
            return known[1]
        table = _joined(SCHEMAS[name], runs)
        self._tables[name] = (runs, table)
        return table

    def view(self) -> HotTables:
        """All hot tables; the same object until something changes."""
        if self._view is None:
            generations = self.generations()
            tables = {
                name: self._table(name, [g.chunks.get(name, ()) for g in generations])
                for name in SCHEMAS
            }
            self._view = HotTables(tables, sum(g.rows for g in generations))
        return self._view


def coalesced(chunks: tuple[pa.Table, ...]) -> tuple[pa.Table, ...]:
    """Merge the youngest chunks once eight of the same tier (a power of eight) are among them."""
    for tier in range(_FINAL_TIER):
        start = len(chunks)
        peers = 0
        while start and (own := _tier(chunks[start - 1])) <= tier:
            peers += own == tier
            start -= 1
        if peers >= _FAN_IN:
            chunks = (*chunks[:start], pa.concat_tables(chunks[start:]).combine_chunks())
    return chunks


def _tier(chunk: pa.Table) -> int:
    return (int(chunk.num_rows).bit_length() - 1) // 3


def _joined(schema: pa.Schema, runs: Iterable[tuple[pa.Table, ...]]) -> pa.Table:
    tables = [chunk for run in runs for chunk in run]
    return pa.concat_tables(tables) if tables else schema.empty_table()
