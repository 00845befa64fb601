"""Leases: a query keeps the files of its snapshot until it is done.

A segment that left the state (compacted, expired) is retired: detached and unlinked once no
lease holds it, or after a grace period, when the queries that still hold it are interrupted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from longpole.model.clock import Clock
from longpole.storage.duckdb.attachments import Attachments
from longpole.storage.duckdb.snapshot import Segment, Snapshot

if TYPE_CHECKING:
    import duckdb


class HeldLease:
    """A snapshot held open. `is_cancelled` says that its files were taken away."""

    def __init__(self, snapshot: Snapshot, attachments: Attachments) -> None:
        self._snapshot = snapshot
        self._attachments = attachments
        self._cursors: list[duckdb.DuckDBPyConnection] = []
        self.is_cancelled = False

    @property
    def snapshot(self) -> Snapshot:
        """What was readable when the lease began."""
        return self._snapshot

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of this lease alone; closed with it."""
        cursor = self._attachments.cursor()
        self._cursors.append(cursor)
        return cursor

    def holds(self, segment: Segment) -> bool:
        """Whether that file is part of the snapshot."""
        return any(own.segment_id == segment.segment_id for own in self._snapshot.segments)

    def cancel(self) -> None:
        """Stop what is running in it."""
        self.is_cancelled = True
        for cursor in list(self._cursors):
            # A cursor may be closed by its own thread at the same moment.
            with suppress(Exception):
                cursor.interrupt()

    def end(self) -> None:
        """Close the cursors."""
        for cursor in self._cursors:
            cursor.close()
        self._cursors.clear()


class LeaseBook:
    """Hands out leases on `take_snapshot()` and buries retired files."""

    def __init__(
        self,
        take_snapshot: Callable[[], Snapshot],
        attachments: Attachments,
        clock: Clock,
        grace_seconds: float,
    ) -> None:
        self._take_snapshot = take_snapshot
        self._attachments = attachments
        self._clock = clock
        self._grace_ns = round(grace_seconds * 1e9)
        self._lock = threading.Lock()
        self._open: set[HeldLease] = set()
        self._retired: list[tuple[Segment, int]] = []

    @contextmanager
    def lease(self, *, without_hot: bool = False) -> Iterator[HeldLease]:
        """A lease on the present state. `without_hot`: on its files alone, for who works on them
        so long that what is hot now is sealed meanwhile, and would stay in memory for nothing."""
        with self._lock:
            # Under the lock, so that no file is buried between snapshot and registration.
            snapshot = self._take_snapshot()
            if without_hot:
                nothing = {name: rows.schema.empty_table() for name, rows in snapshot.hot.items()}
                snapshot = replace(snapshot, hot=nothing)
            held = HeldLease(snapshot, self._attachments)
            self._open.add(held)
        try:
            yield held
        finally:
            held.end()
            with self._lock:
                self._open.discard(held)
                has_retired = bool(self._retired)
            if has_retired:
                self.sweep()

    def retire(self, segments: Iterable[Segment]) -> None:
        """These files are in no snapshot any more that is taken from now on."""
        now = self._clock.monotonic_ns()
        with self._lock:
            self._retired += [(segment, now) for segment in segments]
        self.sweep()

    def sweep(self) -> None:
        """Bury what nobody holds, and what was held for too long."""
        now = self._clock.monotonic_ns()
        with self._lock:
            waiting: list[tuple[Segment, int]] = []
            for segment, since in self._retired:
                holders = [lease for lease in self._open if lease.holds(segment)]
                if holders and now - since < self._grace_ns:
                    waiting.append((segment, since))
                    continue
                for lease in holders:
                    lease.cancel()
                self._bury(segment)
            self._retired = waiting

    @property
    def retired_count(self) -> int:
        """Files that wait for their last lease."""
        return len(self._retired)

    def _bury(self, segment: Segment) -> None:
        with suppress(Exception):
            self._attachments.detach(segment.alias)
        # What cannot be unlinked now is quarantined at the next start: no data is lost by it.
        with suppress(OSError):
            segment.path.unlink(missing_ok=True)
