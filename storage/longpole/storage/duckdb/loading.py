"""Loading: attaches the segments, queues what is unexplained, replays the journal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from longpole.formats import otlp
from longpole.model.problem import Problem, Severity
from longpole.storage.data_dir import DataDir
from longpole.storage.duckdb.attachments import Attachments
from longpole.storage.duckdb.damage import is_damage
from longpole.storage.duckdb.leases import LeaseBook
from longpole.storage.duckdb.manifest import Manifest, ManifestChange
from longpole.storage.duckdb.recovery import (
    LOST_SEGMENT_ROWS,
    Attached,
    Findings,
    attach_segments,
)
from longpole.storage.duckdb.repair import Repair, without_derived_rows
from longpole.storage.duckdb.settings import StoreSettings
from longpole.storage.duckdb.settlement import unexplained_rows
from longpole.storage.duckdb.state import EngineState
from longpole.storage.duckdb.superseded import unneeded
from longpole.storage.journal import Frame, Journal, read_frames

_LOSSES_IN_ANSWERS = 3


class Loading:
    """Brings an opened store up to date, once."""

    def __init__(
        self,
        settings: StoreSettings,
        directory: DataDir,
        manifest: Manifest,
        state: EngineState,
        attachments: Attachments,
        leases: LeaseBook,
        decoder: otlp.Decoder,
        findings: Findings,
        is_closing: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._manifest = manifest
        self._state = state
        self._attachments = attachments
        self._leases = leases
        self._decoder = decoder
        self._findings = findings
        self._is_closing = is_closing
        self._lock = threading.Lock()
        self._journal_problems: tuple[Problem, ...] = ()

    def load(
        self,
        journal: Journal,
        chores: AbstractContextManager[Any],
        seal: Callable[[], object],
        repair: Repair,
    ) -> None:
        """See `DuckDBStore.load`. `repair` writes damaged segments again that it meets."""
        with self._lock:
            if self._state.is_replayed or self._is_closing():
                return
            attached = self._attach()
            self.note_losses()
            if attached.lost:
                repair.answer(lambda: self._give_up(tuple(attached.lost)))
            for segment in attached.half_read:
                repair.repair_if_possible(segment)
            repair.answer(self._queue_unexplained)
            frames = journal.frames(self._manifest.sealed_through, journal.opened_through)
            for _ in self._replay(frames):
                if self._is_closing():
                    return
                if self._is_replay_big():
                    # A journal may hold more than memory does.
                    with chores:
                        seal()
            self._state.finish_replay()
            self._journal_problems = journal.problems()
            self.note_losses()

    def read_once(self) -> bool:
        """Load without changing anything; False when a server moved files meanwhile."""
        before = self._manifest.sealed_through, self._manifest.segments()
        with self._lock:
            lost = self._attach(quarantine=False).lost
            try:
                self._queue_unexplained()
            except Exception as error:
                if not is_damage(error):  # the question that meets it will say so
                    raise
            frames = read_frames(self._directory.journal, before[0])
            try:
                for _ in self._replay(frames):
                    pass
            except FileNotFoundError:
                return False
            self._findings.problems.extend(frames.problems)
            self._findings.journal_losses = dict(frames.losses)
            self._state.finish_replay()
            self.note_losses()
        return not lost and before == (self._manifest.sealed_through, self._manifest.segments())

    def wait(self) -> None:
        """Return when no load is under way."""
        with self._lock:
            return

    def note_losses(self) -> None:
        """Answers say what they cannot contain."""
        losses = [
            problem.message
            for problem in (*self._findings.problems, *self._journal_problems)
            if problem.severity is Severity.LOSS
        ]
        if len(losses) > _LOSSES_IN_ANSWERS:
            rest = len(losses) - _LOSSES_IN_ANSWERS
            losses[_LOSSES_IN_ANSWERS:] = [f"and {rest} losses more: see `longpole status`"]
        with self._state.lock:
            self._state.losses = tuple(losses)

    def _attach(self, *, quarantine: bool = True) -> Attached:
        attached = attach_segments(
            self._directory,
            self._manifest.segments(),
            self._attachments,
            self._findings,
            quarantine=quarantine,
        )
        self._state.swap(attached.segments, ())
        return attached

    def _give_up(self, lost: tuple[int, ...]) -> None:
        """Take the files that cannot be attached out of the manifest, and count them there."""
        # A revision that went with its file must not hide the next one.
        forgotten = unneeded(self._state.superseded_now(), self._leases, ())
        reopened: dict[int, tuple[int, int]] = {}
        if any(e.kind == "derived" and e.segment_id in lost for e in self._manifest.segments()):
            with self._leases.lease() as lease:
                reopened = without_derived_rows(lease.snapshot.segments, lease.cursor())
        self._manifest.commit(
            ManifestChange(
                removed=lost,
                unsuperseded=forgotten,
                reopened=reopened,
                counts={LOST_SEGMENT_ROWS: self._findings.lost_rows},
            )
        )
        self._findings.lost_rows = 0  # the manifest counts them from now on
        self._state.swap((), (), forgotten)

    def _queue_unexplained(self) -> None:
        with self._leases.lease() as lease:
            waiting = unexplained_rows(lease.snapshot, lease.cursor, self._manifest.settled_through)
        now = self._state.clock.monotonic_ns()
        with self._state.lock:
            for trace_id, first, last in waiting:
                self._state.queue.note(trace_id, first, last, now)
        self._state.reopen(self._manifest.reopened())

    def _replay(self, frames: Iterable[Frame]) -> Iterable[Frame]:
        for frame in frames:
            try:
                telemetry = self._decoder(frame.signal, frame.body)
                self._state.receive(
                    frame.sequence_number, telemetry.tables, len(frame.body), is_replay=True
                )
            except Exception as error:
                self._findings.undecodable_frames += 1
                self._findings.report(
                    "undecodable_frame",
                    f"Journal frame {frame.sequence_number} cannot be decoded ({error}); it "
                    "stays out of the store.",
                    Severity.LOSS,
                )
            yield frame

    def _is_replay_big(self) -> bool:
        with self._state.lock:
            replayed = self._state.hot.replayed
            return replayed is not None and (
                replayed.rows >= self._settings.seal_rows
                or replayed.byte_count >= self._settings.seal_bytes
            )
