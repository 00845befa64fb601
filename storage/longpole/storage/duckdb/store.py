"""The embedded engine: journal, hot rows and DuckDB segments behind the ports of storage."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING

from longpole.formats import otlp
from longpole.model.clock import Clock
from longpole.model.columns import ROWS_PER_REQUEST_BITS
from longpole.model.telemetry import Telemetry
from longpole.storage.data_dir import DataDir
from longpole.storage.duckdb.attachments import Attachments
from longpole.storage.duckdb.backlog import backlog
from longpole.storage.duckdb.catalog import Catalog
from longpole.storage.duckdb.chores import Chores
from longpole.storage.duckdb.compaction import Compactor
from longpole.storage.duckdb.leases import HeldLease, LeaseBook
from longpole.storage.duckdb.loading import Loading
from longpole.storage.duckdb.manifest import Manifest, ManifestChange
from longpole.storage.duckdb.reading import Reading
from longpole.storage.duckdb.recovery import (
    Findings,
    clean_segments,
    manifest_to_read,
    next_segment_id,
    open_manifest,
)
from longpole.storage.duckdb.repair import Repair
from longpole.storage.duckdb.retention import Retention
from longpole.storage.duckdb.sealer import Sealer
from longpole.storage.duckdb.segment_writer import SegmentWriter
from longpole.storage.duckdb.settings import StoreSettings
from longpole.storage.duckdb.settle_queue import SettleQueue
from longpole.storage.duckdb.settlement import Settlement
from longpole.storage.duckdb.state import EngineState
from longpole.storage.duckdb.status import store_status
from longpole.storage.duckdb.view_files import ViewFiles
from longpole.storage.journal import Journal, JournalSettings
from longpole.storage.ports import (
    DerivedRows,
    Receipt,
    StorageUnavailable,
    StoreStatus,
    WholeTraces,
)

if TYPE_CHECKING:
    from longpole.storage.duckdb.read.reader import Reader

# A seal or merge may move rows between reading the manifest and the files it names.
_READ_ATTEMPTS = 3

__all__ = ["DuckDBStore", "StoreSettings"]


class DuckDBStore(Reading):
    """One data directory, open. Make it with `open` or `open_read_only`.

    `open` is quick and imports no DuckDB: requests are accepted at once. `load` then attaches
    the segments and replays the journal, in the background; until it is done, readers see
    `is_replayed` false.
    """

    def __init__(
        self,
        settings: StoreSettings,
        clock: Clock,
        decoder: otlp.Decoder,
        directory: DataDir,
        manifest: Manifest,
        journal: Journal | None,
        findings: Findings,
        first_free_id: int,
        at: Callable[[str], None],
    ) -> None:
        """For `open` and `open_read_only`; without a journal the store is read-only."""
        self._settings = settings
        self._directory = directory
        self._manifest = manifest
        self._journal = journal
        self._findings = findings
        self._is_closing = threading.Event()
        self._is_closed = False
        self._duplicate_spans = 0
        self._expired: Mapping[str, int] = {}
        self._lost: Mapping[str, int] = {}
        self._has_kept_losses = False
        self._state = EngineState(
            clock,
            SettleQueue(
                round(settings.settle_after_seconds * 1e9),
                round(settings.settle_at_most_seconds * 1e9),
            ),
            Catalog(manifest.attribute_keys(), manifest.services()),
            manifest.superseded(),
            manifest.sealed_through,
            manifest.settled_through,
        )
        self._views = ViewFiles(
            directory.views,
            clock,
            min(settings.views_bytes, settings.retain_bytes // 20),
            round(settings.retain_days * 86_400 * 10**9),
        )
        # Reading and writing have an instance each, and share what may be used.
        limit, threads = settings.memory_limit_bytes // 2, settings.threads
        self._attachments = Attachments(directory.tmp, limit, threads)
        self._writer = SegmentWriter(directory.segments, directory.tmp, limit, threads)
        self._leases = LeaseBook(
            self._state.snapshot, self._attachments, clock, settings.lease_grace_seconds
        )
        ids = count(first_free_id)
        new_segment_id = ids.__next__
        self._sealer = Sealer(
            self._state, manifest, self._writer, self._attachments, clock, new_segment_id, at
        )
        compactor = Compactor(
            settings, self._state, manifest, self._writer, self._attachments, self._leases,
            new_segment_id, at, lambda: self._chores.seal_if_due(),
        )  # fmt: skip
        retention = Retention(
            settings, self._state, manifest, self._leases, clock, compactor.rewrite
        )
        self._chores = Chores(
            settings, self._state, clock, self._leases, self._seal_hot, compactor, retention,
            lambda error: self._repair.after(error),
        )  # fmt: skip
        self._loading = Loading(
            settings, directory, manifest, self._state, self._attachments, self._leases, decoder,
            findings, self._is_closing.is_set,
        )  # fmt: skip
        self._repair = Repair(
            self._state, manifest, self._writer, self._attachments, self._leases, findings,
            directory, self._chores.lock, new_segment_id, self._loading.note_losses,
            is_allowed=journal is not None,
        )  # fmt: skip

    @classmethod
    def open(
        cls,
        settings: StoreSettings,
        clock: Clock,
        decoder: otlp.Decoder = otlp.decode,
        addresses: Mapping[str, str] | None = None,
        at: Callable[[str], None] = lambda step: None,
    ) -> DuckDBStore:
        """Own a data directory and accept requests. Raises `DataDirLocked`,
        `DataDirRefused`, `ManifestVersionMismatch` or OSError, with nothing left open.

        `at` is told each step of seals and merges, so that tests can fail there.
        """
        directory = DataDir(settings.data_dir)
        directory.lock(addresses or {})
        manifest: Manifest | None = None
        try:
            findings = Findings()
            manifest = open_manifest(directory, findings)
            clean_segments(directory, manifest, findings)
            journal = Journal(
                JournalSettings(
                    directory.journal,
                    dedup_window_seconds=settings.dedup_window_seconds,
                    min_free_bytes=settings.min_free_bytes,
                ),
                clock,
                sealed_through=manifest.sealed_through,
                known_hashes=manifest.request_hashes(),
            )
            first_free_id = next_segment_id(directory, manifest)
            store = cls(
                settings, clock, decoder, directory, manifest, journal, findings, first_free_id, at
            )
            journal.open()
        except BaseException:
            if manifest is not None:
                manifest.close()
            directory.unlock()
            raise
        return store

    @classmethod
    def open_read_only(
        cls, settings: StoreSettings, clock: Clock, decoder: otlp.Decoder = otlp.decode
    ) -> DuckDBStore:
        """Everything that is stored at this moment, for one question without a server: the
        manifest's segments and the journal frames after them. Takes no lock. A file that
        vanished under a working server makes it start over. Raises `StorageError`."""
        directory = DataDir(settings.data_dir)
        for attempt in range(_READ_ATTEMPTS):
            findings = Findings()
            manifest = manifest_to_read(directory)
            store = cls(
                settings, clock, decoder, directory, manifest, None, findings, 0, lambda step: None
            )
            if store._loading.read_once() or attempt == _READ_ATTEMPTS - 1:
                return store
            store.close()
        raise AssertionError("unreachable")

    def load(self) -> None:
        """Attach the segments and replay the journal; returns when everything is visible, or
        early when the store is closed meanwhile. A second call has no effect."""
        if self._journal is not None:
            self._loading.load(self._journal, self._chores.lock, self._seal_hot, self._repair)

    def publish(self, addresses: Mapping[str, str]) -> None:
        """Tell other processes, through the lock file, where the server listens."""
        self._directory.publish(addresses)

    # Intake

    def submit(self, telemetry: Telemetry, arrival_unix_nano: int) -> Future[Receipt]:
        """See `ports.Intake`."""
        if self._journal is None or self._is_closing.is_set():
            return _failed(StorageUnavailable("The store is closing; nothing was kept."))
        if not telemetry.accepted:
            nothing: Future[Receipt] = Future()
            nothing.set_result(Receipt(0))
            return nothing
        if telemetry.accepted >= 1 << ROWS_PER_REQUEST_BITS:
            return _failed(
                StorageUnavailable(
                    f"A request of {telemetry.accepted} records is too large; nothing of it was "
                    f"kept. Send fewer than {1 << ROWS_PER_REQUEST_BITS} records at once."
                )
            )
        too_much = backlog(self._settings, self._state)
        if too_much is not None:
            return _failed(too_much)
        tables, byte_count = telemetry.tables, len(telemetry.body)

        def on_durable(sequence_number: int) -> None:
            try:
                self._state.receive(sequence_number, tables, byte_count)
            except BaseException:
                # The frame stays in the journal, so nothing may be sealed past it.
                self._state.hold_seals(sequence_number)
                raise

        return self._journal.append(
            telemetry.signal, telemetry.body, arrival_unix_nano, telemetry.has_time, on_durable
        )

    @property
    def waiting_bytes(self) -> int:
        """See `ports.Intake`."""
        return self._journal.waiting_bytes if self._journal is not None else 0

    # SettleFeed

    @cached_property
    def _settlement(self) -> Settlement:
        return Settlement(self._state, self._leases, self._reader)

    def quiet_traces(self, limit: int, attributes: Sequence[str]) -> WholeTraces:
        """See `ports.SettleFeed`."""
        return self._repair.answer(lambda: self._settlement.quiet_traces(limit, attributes))

    def put_derived(self, rows: DerivedRows) -> None:
        """See `ports.SettleFeed`."""
        self._repair.answer(lambda: self._settlement.put_derived(rows))

    def pending_traces(self) -> int:
        """See `ports.SettleFeed`."""
        return len(self._state.queue)

    # ViewShelf

    def view_of_trace(self, trace_id: int, revision: int) -> bytes | None:
        """See `trace_parts.TraceParts`."""
        return self._views.view(trace_id, revision)

    def put_view(self, trace_id: int, revision: int, view: bytes) -> None:
        """See `trace_parts.ViewShelf`."""
        if self._journal is not None:
            self._views.put(trace_id, revision, view)

    # Reading: `Reading` asks `Reader`, which answers on leases.

    def lease(self) -> AbstractContextManager[HeldLease]:
        """See `snapshot.SnapshotSource`."""
        return self._leases.lease()

    @cached_property
    def _reader(self) -> Reader:
        from longpole.storage.duckdb.read.reader import Reader

        limit, threads = self._settings.memory_limit_bytes // 2, self._settings.threads
        return Reader(self, limit, threads, self._repair.answer)

    # Upkeep

    def tick(self) -> None:
        """See `ports.Upkeep`."""
        if self._journal is not None and not self._is_closing.is_set():
            self._chores.tick()
            self._views.sweep()

    def seal(self) -> None:
        """See `ports.Upkeep`. Raises what stands in the way; then all stays as it was."""
        if self._journal is None or not self._state.is_replayed:
            return
        with self._chores.lock:
            while self._seal_hot():
                pass  # a seal that failed before comes first, then the rest

    def repair(self) -> None:
        """Read every sealed value and repair what is damaged; `status` says what was lost.
        Raises what stands in the way; then that file stays as it was."""
        if self._journal is not None:
            self._repair.everything()

    def status(self) -> StoreStatus:
        """See `ports.Upkeep`."""
        journal = self._journal
        if not self._is_closed:  # a page may still ask while the store goes down
            self._duplicate_spans = self._manifest.number("duplicate_spans")
            self._expired = self._manifest.counts("expired_by_")
            self._lost = {**self._manifest.counts("lost_"), **self._manifest.counts("journal_")}
        losses = Counter(self._findings.losses()) + Counter(self._lost)
        if journal is not None and not self._has_kept_losses:
            losses += Counter(journal.losses())
        losses.update(self._expired)
        return store_status(
            self._settings,
            self._state,
            journal_bytes=journal.byte_count if journal is not None else 0,
            repeated_requests=journal.repeated_requests if journal is not None else 0,
            duplicate_spans_dropped=self._duplicate_spans,
            losses=losses,
            problems=(
                *self._findings.problems,
                *(journal.problems() if journal is not None else ()),
                *self._chores.problems(),
            ),
        )

    def close(self) -> None:
        """See `ports.Upkeep`. What cannot be sealed stays in the journal."""
        if self._is_closed:
            return
        self._is_closed = True
        self._is_closing.set()
        self._loading.wait()
        with self._chores.lock, ExitStack() as stack:
            # Whatever fails on a full disk, everything is given back.
            stack.callback(self._directory.unlock)
            stack.callback(self._manifest.close)
            stack.callback(self._attachments.close)
            stack.callback(self._writer.close)
            if self._journal is not None:
                self._journal.close()
                if self._state.is_replayed:
                    self._chores.seal_at_close()
                hashes = self._journal.recent_hashes()
                with suppress(sqlite3.Error):  # the frames that are left name theirs
                    self._manifest.commit(ManifestChange(request_hashes=hashes))

    def _seal_hot(self) -> int:
        journal = self._journal
        assert journal is not None, "a read-only store has no seals"
        count = self._sealer.seal(journal.recent_hashes, journal.release)
        is_past_damage = self._state.sealed_through >= journal.opened_through
        if self._state.is_replayed and is_past_damage and not self._has_kept_losses:
            # What replay could not read is released now: a restart would not count it again.
            self._manifest.commit(ManifestChange(counts=journal.losses()))
            self._has_kept_losses = True
        return count


def _failed(error: Exception) -> Future[Receipt]:
    future: Future[Receipt] = Future()
    future.set_exception(error)
    return future
