"""The state of an open store: hot rows, segments, pending traces, all under one lock.

Everything a query sees changes here and nowhere else, in one step under the lock, so that a
snapshot never shows half of a seal or of a settlement.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from longpole.model.clock import Clock
from longpole.model.columns import sequence_number_of
from longpole.model.ids import split_trace_id
from longpole.storage.duckdb.catalog import Catalog
from longpole.storage.duckdb.expiry import Expiry
from longpole.storage.duckdb.hot import Generation, HotStore
from longpole.storage.duckdb.manifest import ServiceEntry
from longpole.storage.duckdb.settle_queue import SettleQueue
from longpole.storage.duckdb.snapshot import Segment, Snapshot

_SUPERSEDED = pa.schema(
    [
        pa.field("trace_hi", pa.uint64()),
        pa.field("trace_lo", pa.uint64()),
        pa.field("revision", pa.uint32()),
    ]
)


@dataclass(frozen=True, slots=True)
class Frozen:
    """What one seal writes: the rows, and what the manifest learns with them.

    `through_sequence` is None when the rows came with no frame (derived rows alone).
    """

    generation: Generation
    through_sequence: int | None
    settled_through: int
    superseded: Mapping[int, int]
    explained: tuple[int, ...]
    attribute_keys: Mapping[tuple[str, str], str]
    services: tuple[ServiceEntry, ...]


class EngineState:
    """See the module. Public methods take the lock themselves."""

    def __init__(
        self,
        clock: Clock,
        queue: SettleQueue,
        catalog: Catalog,
        superseded: Mapping[int, int],
        sealed_through: int,
        settled_through: int,
    ) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        self.queue = queue
        self.catalog = catalog
        self.hot = HotStore()
        self.segments: tuple[Segment, ...] = ()
        self.is_replayed = False
        self.sealed_through = sealed_through
        self.settled_through = settled_through
        self.superseded: dict[int, int] = dict(superseded)
        self._live_revisions: dict[int, int] = {}
        self._frozen_revisions: dict[int, int] = {}
        self._unsaved_superseded: dict[int, int] = {}
        self._superseded_table: pa.Table | None = None
        self._frozen: Frozen | None = None
        self._held_from = 0
        self._reopened: set[int] = set()
        self._outdated: set[int] = set()
        self.losses: tuple[str, ...] = ()

    def receive(
        self,
        sequence_number: int,
        tables: Mapping[str, pa.Table],
        byte_count: int,
        *,
        is_replay: bool = False,
    ) -> None:
        """Rows of a durable request become visible, and their traces pending."""
        now = self.clock.monotonic_ns()
        with self.lock:
            stored = self.hot.append(sequence_number, tables, byte_count, now, is_replay=is_replay)
            for name, table in stored.items():
                self.catalog.note(name, table)
            spans = stored.get("spans")
            if spans is not None and spans.num_rows:
                self.queue.arrived(
                    spans.column("trace_hi").to_numpy(),
                    spans.column("trace_lo").to_numpy(),
                    spans.column("row_id").to_numpy(),
                    now,
                )

    def hold_seals(self, sequence_number: int) -> None:
        """That durable frame could not be made visible: only a restart reads it again, so
        the journal must keep it."""
        with self.lock:
            self._held_from = min(self._held_from or sequence_number, sequence_number)

    def finish_replay(self) -> None:
        """Every frame is visible."""
        with self.lock:
            self.hot.finish_replay()
            self.is_replayed = True

    def add_derived(
        self,
        tables: Mapping[str, pa.Table],
        settled: Iterable[tuple[int, int, int]],
    ) -> None:
        """Derived rows become visible, and (trace id, revision, through row id) explained."""
        with self.lock:
            self.hot.append_derived(tables, self.clock.monotonic_ns())
            for trace_id, revision, through_row_id in settled:
                self._live_revisions[trace_id] = revision
                self.queue.settled(trace_id, through_row_id)
                if revision > 1:
                    self.superseded[trace_id] = revision - 1
                    self._unsaved_superseded[trace_id] = revision - 1
                    self._superseded_table = None

    def hot_revision(self, trace_id: int) -> int | None:
        """The latest revision among the hot derived rows of a trace."""
        live = self._live_revisions.get(trace_id)
        return self._frozen_revisions.get(trace_id) if live is None else live

    def freeze(self) -> Frozen | None:
        """What to seal now; the same again after a seal that failed."""
        with self.lock:
            if self._frozen is not None:
                return self._frozen
            if self._held_from:
                return None
            is_partial = not self.is_replayed
            generation = self.hot.freeze()
            if generation is None:
                return None
            through = generation.last_sequence or None
            reach = max(self.sealed_through, through or 0)
            waiting = self.queue.first_unexplained_row()
            settled = reach if waiting is None else min(reach, sequence_number_of(waiting) - 1)
            if not is_partial:
                self._frozen_revisions, self._live_revisions = self._live_revisions, {}
            keys, services = self.catalog.changes()
            superseded = {} if is_partial else dict(self._unsaved_superseded)
            explained = (
                () if is_partial else tuple(t for t in self._reopened if t not in self.queue)
            )
            self._frozen = Frozen(
                generation,
                through,
                max(settled, self.settled_through),
                superseded,
                explained,
                keys,
                services,
            )
            return self._frozen

    def sealed(self, frozen: Frozen, segments: Iterable[Segment]) -> None:
        """The frozen rows are in these segments, and the manifest says so."""
        with self.lock:
            self.segments = (*self.segments, *segments)
            self.hot.drop_frozen()
            self._frozen = None
            self.sealed_through = max(self.sealed_through, frozen.through_sequence or 0)
            self.settled_through = max(self.settled_through, frozen.settled_through)
            for trace_id, revision in frozen.superseded.items():
                if self._unsaved_superseded.get(trace_id) == revision:
                    del self._unsaved_superseded[trace_id]
            self._reopened.difference_update(t for t in frozen.explained if t not in self.queue)
            self.catalog.saved(frozen.attribute_keys, frozen.services)
            self._frozen_revisions = {}

    def swap(
        self,
        added: Iterable[Segment],
        removed: Iterable[int],
        unsuperseded: Mapping[int, int] | None = None,
    ) -> tuple[Segment, ...]:
        """Replace segments; answers with those that left."""
        gone = set(removed)
        with self.lock:
            left = tuple(s for s in self.segments if s.segment_id in gone)
            self.segments = (*(s for s in self.segments if s.segment_id not in gone), *added)
            for trace_id, revision in (unsuperseded or {}).items():
                if self.superseded.get(trace_id, revision + 1) <= revision:
                    del self.superseded[trace_id]
                    self._superseded_table = None
        return left

    def reopen(self, traces: Mapping[int, tuple[int, int]]) -> None:
        """These traces lost spans: the ones that are left have to be explained anew."""
        now = self.clock.monotonic_ns()
        with self.lock:
            for trace_id, (first, last) in traces.items():
                entry = self.queue.get(trace_id)
                if entry is not None and entry.is_handed_out:
                    self._outdated.add(trace_id)
                self.queue.note(trace_id, first, last, now)
                self._reopened.add(trace_id)

    def handed_out(self, trace_id: int) -> None:
        """The spans that are there now are given out for analysis."""
        with self.lock:
            self._outdated.discard(trace_id)
            self.queue.handed_out(trace_id)

    def is_outdated(self, trace_id: int) -> bool:
        """Whether the trace lost spans after it was given out."""
        return trace_id in self._outdated

    def expire(
        self, removed: Collection[int], expiry: Expiry, unsuperseded: Mapping[int, int]
    ) -> tuple[Segment, ...]:
        """Segments leave, with the derived rows of what was in them; answers with the former."""
        with self.lock:
            for trace_id, revision in expiry.hidden.items():
                self._hide(trace_id, revision)
            self.reopen(expiry.reopened)
            leaving = [s.last_sequence for s in self.segments if s.segment_id in removed]
            for trace_id in expiry.vanished:
                self._vanish(trace_id, max(leaving, default=0))
            return self.swap((), removed, unsuperseded)

    def _vanish(self, trace_id: int, through_sequence: int) -> None:
        """A trace that was pending when its last spans were chosen to go. It may have been
        given out since (its answer comes too late), explained, or have got new spans."""
        entry = self.queue.get(trace_id)
        if entry is None:
            revision = self.hot_revision(trace_id)
            if revision is not None:
                self._hide(trace_id, revision)
                self._unsaved_superseded[trace_id] = revision
            return
        if entry.is_handed_out:
            self._outdated.add(trace_id)
        if sequence_number_of(entry.last_row_id) <= through_sequence:
            self.queue.forget(trace_id)

    def _hide(self, trace_id: int, revision: int) -> None:
        self.superseded[trace_id] = max(self.superseded.get(trace_id, 0), revision)
        self._superseded_table = None

    def superseded_now(self) -> dict[int, int]:
        """A copy of `superseded`: trace id to the revision up to which its rows are hidden."""
        with self.lock:
            return dict(self.superseded)

    def snapshot(self) -> Snapshot:
        """Everything readable now."""
        with self.lock:
            if self._superseded_table is None:
                self._superseded_table = superseded_table(self.superseded)
            return Snapshot(
                segments=self.segments,
                hot=self.hot.view().tables,
                superseded=self._superseded_table,
                attribute_types=self.catalog.attribute_types(),
                pending=self.queue.trace_ids(),
                is_replayed=self.is_replayed,
                losses=self.losses,
                service_colours=self.catalog.service_colours(),
            )


def superseded_table(superseded: Mapping[int, int]) -> pa.Table:
    """The Arrow table of a snapshot."""
    pairs = [split_trace_id(trace_id) for trace_id in superseded]
    return pa.table(
        {
            "trace_hi": [hi for hi, _ in pairs],
            "trace_lo": [lo for _, lo in pairs],
            "revision": list(superseded.values()),
        },
        schema=_SUPERSEDED,
    )
