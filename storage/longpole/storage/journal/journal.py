"""The journal: requests in, receipts out once they are durable.

append ─▶ repeat? ─▶ queue ─▶ one writer thread: everything waiting becomes one write
                              and one fdatasync, then on_durable and the receipts, in
                              order of sequence numbers
"""

from __future__ import annotations

import errno
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

from longpole.model.clock import Clock
from longpole.model.problem import Problem, Severity
from longpole.model.signals import Signal
from longpole.storage.journal.frame import (
    HEADER_BYTES,
    MAX_BODY_BYTES,
    Frame,
    encode_header,
    request_hash,
)
from longpole.storage.journal.inventory import sync_directory
from longpole.storage.journal.repeats import RepeatWindow
from longpole.storage.journal.replay import Replay
from longpole.storage.journal.settings import JournalSettings
from longpole.storage.journal.shelf import Shelf
from longpole.storage.receipt import DiskFull, Overloaded, Receipt, StorageUnavailable

_NS = 1_000_000_000
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(slots=True)
class _Waiting:
    """A request on its way to the disk, and the equal ones that wait for its outcome."""

    signal: Signal
    body: bytes
    arrival_unix_nano: int
    has_time: bool
    request_hash: bytes
    on_durable: Callable[[int], None]
    future: Future[Receipt] = field(default_factory=Future)
    repeats: list[_Waiting] = field(default_factory=list)


class Journal:
    """Makes requests durable and gives them back after a crash. Every method may be called
    from any thread; one Journal at a time may own a directory (see `data_dir`)."""

    def __init__(
        self,
        settings: JournalSettings,
        clock: Clock,
        *,
        sealed_through: int,
        known_hashes: Iterable[tuple[bytes, int, int]],
    ) -> None:
        """`sealed_through`: frames up to there are kept elsewhere. `known_hashes`: what
        `recent_hashes` gave before the restart. Touches no disk; `open` does."""
        self._settings = settings
        self._clock = clock
        self._sealed_through = sealed_through
        self._window_ns = round(settings.dedup_window_seconds * _NS)
        self._window = RepeatWindow(self._window_ns, settings.max_known_requests, known_hashes)
        self._shelf = Shelf(settings, clock)
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._queue: deque[_Waiting] = deque()
        self._on_the_way: dict[bytes, _Waiting] = {}
        self._waiting_bytes = 0
        self._repeated_requests = 0
        self._is_running = False
        self._thread: threading.Thread | None = None
        self._opened_through = sealed_through
        self._problems: Counter[tuple[str, str, Severity]] = Counter()
        self._losses: Counter[str] = Counter()

    def open(self) -> None:
        """Find the next sequence number and the hashes of unsealed requests by walking frame
        headers, and start the writer. Old files are never written to. Raises OSError when
        the directory cannot be made or listed."""
        directory = self._settings.directory
        if not directory.is_dir():
            directory.mkdir(mode=0o700, parents=True)
            sync_directory(directory.parent)
        walk = self._shelf.open(self._sealed_through)
        self._note(walk.problems)
        for header in walk.headers:
            self._window.remember(
                header.request_hash, header.sequence_number, header.arrival_unix_nano
            )
        self._opened_through = self._shelf.last_sequence
        self._is_running = True
        self._thread = threading.Thread(target=self._write_groups, name="journal", daemon=True)
        self._thread.start()

    def append(
        self,
        signal: Signal,
        body: bytes,
        arrival_unix_nano: int,
        has_time: bool,
        on_durable: Callable[[int], None],
    ) -> Future[Receipt]:
        """Make one request durable; returns at once.

        After the fdatasync, in order of sequence numbers, the writer thread calls
        `on_durable(sequence_number)` and then completes the future, so both must be quick.
        An exception from `on_durable` is noted and the request still acknowledged: replay
        will find it. A request equal to one accepted within the window completes with that
        one's receipt (`is_repeat`), once that one is durable; if that one fails, it is
        written itself. With `has_time` false it is never a repeat. The future fails with
        `Overloaded` or `StorageUnavailable`; then nothing of it was kept.
        """
        entry = _Waiting(
            signal, body, arrival_unix_nano, has_time, request_hash(signal, body), on_durable
        )
        entry.future.set_running_or_notify_cancel()  # what is on its way cannot be called back
        answer = self._admit(entry)
        if isinstance(answer, Receipt):
            entry.future.set_result(answer)
        elif answer is not None:
            entry.future.set_exception(answer)
        return entry.future

    def frames(self, after_sequence: int, through_sequence: int | None = None) -> Iterator[Frame]:
        """Durable frames with `after_sequence` < number <= `through_sequence`, in order.

        Never raises for damage: what can be read comes, the rest is in `losses`, `problems`
        and, as a copy, in quarantine; senders may send what is lost again. A torn end is no
        loss. To replay what a former process left, stop at `opened_through`: later frames
        went through `on_durable`.
        """
        replay = Replay(
            self._shelf.files(),
            after_sequence,
            through_sequence,
            self._window_ns,
            self._settings.quarantine_directory,
            may_vanish=True,
        )
        yield from replay
        self._note(replay.problems)
        end = self._opened_through if through_sequence is None else through_sequence
        gaps = [*replay.gaps, (replay.last_read + 1, min(end, self._opened_through))]
        with self._lock:
            self._losses.update(replay.losses)
            self._window.forget_numbers(gaps)

    def release(self, through_sequence: int) -> None:
        """Frames up to this one are kept elsewhere: delete the files that hold no other,
        the one being written included. Never raises; what cannot be deleted is a problem
        and is tried again next time."""
        self._note(self._shelf.release(through_sequence))

    def recent_hashes(self) -> list[tuple[bytes, int, int]]:
        """(hash, sequence number, arrival) of the requests in the window, for the manifest."""
        now = self._clock.now_unix_nano()
        with self._lock:
            return self._window.entries(now)

    def close(self) -> None:
        """Refuse new requests, finish the waiting ones, stop the writer. A second call has
        no effect."""
        with self._lock:
            self._is_running = False
            self._work.notify_all()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        self._shelf.close()

    @property
    def waiting_bytes(self) -> int:
        """Bytes of bodies appended and not yet answered."""
        return self._waiting_bytes

    @property
    def byte_count(self) -> int:
        """Bytes of all files."""
        return self._shelf.byte_count

    @property
    def last_sequence(self) -> int:
        """The highest durable sequence number; `sealed_through` when there is none."""
        return self._shelf.last_sequence

    @property
    def opened_through(self) -> int:
        """The highest number that a former process left: where replay stops."""
        return self._opened_through

    @property
    def repeated_requests(self) -> int:
        """Requests acknowledged as repeats since `open`."""
        return self._repeated_requests

    def problems(self) -> tuple[Problem, ...]:
        """What a person should know, equal ones counted."""
        with self._lock:
            noted = list(self._problems.items())
            forgotten = self._window.forgotten_early
        problems = [Problem(*kind[:2], kind[2], count) for kind, count in noted]
        if forgotten:
            message = (
                f"More than {self._settings.max_known_requests} requests came within the dedup "
                "window; the oldest are no longer recognised when they are sent again."
            )
            problems.append(Problem("journal_window_full", message, count=forgotten))
        return tuple(problems)

    def losses(self) -> Mapping[str, int]:
        """What replay could not read, by reason: `journal_damaged_bytes`,
        `journal_lost_frames`."""
        with self._lock:
            return dict(self._losses)

    def _admit(self, entry: _Waiting) -> Receipt | Exception | None:
        """Queue the request (None), or say what to answer at once."""
        size = len(entry.body)
        if size > MAX_BODY_BYTES:
            return StorageUnavailable(f"A request of {size} bytes is too large for the journal.")
        with self._lock:
            if not self._is_running:
                return StorageUnavailable("The journal is closed; nothing of the request was kept.")
            if entry.has_time:
                known = self._window.find(entry.request_hash, entry.arrival_unix_nano)
                if known is not None:
                    self._repeated_requests += 1
                    return Receipt(known, is_repeat=True)
            if self._waiting_bytes and (
                self._waiting_bytes + size > self._settings.max_waiting_bytes
            ):
                return Overloaded(
                    f"{self._waiting_bytes >> 20} MiB are waiting for the disk; nothing of the "
                    "request was kept. Send it again in a second."
                )
            self._waiting_bytes += size
            first = self._on_the_way.get(entry.request_hash) if entry.has_time else None
            if first is not None:
                first.repeats.append(entry)
            else:
                self._enqueue(entry)
            return None

    def _enqueue(self, entry: _Waiting) -> None:
        if entry.has_time:
            self._on_the_way[entry.request_hash] = entry
        self._queue.append(entry)
        self._work.notify()

    def _write_groups(self) -> None:
        while group := self._next_group():
            try:
                sequence_number = self._shelf.write(
                    [partial(_encode, entry) for entry in group],
                    sum(HEADER_BYTES + len(entry.body) for entry in group),
                )
            except StorageUnavailable as refusal:
                self._fail(group, refusal)
            except Exception as error:
                self._note_one("journal_write_failed", f"The journal cannot be written: {error}")
                is_full = isinstance(error, OSError) and error.errno in _NO_SPACE
                refusal_of = DiskFull if is_full else StorageUnavailable
                message = f"The journal cannot be written ({error})"
                self._fail(group, refusal_of(f"{message}; nothing of the request was kept."))
            else:
                for number, entry in enumerate(group, sequence_number):
                    self._acknowledge(entry, number)

    def _next_group(self) -> list[_Waiting]:
        """Everything that waits, within the bounds of a group; empty: time to stop."""
        group: list[_Waiting] = []
        room = self._settings.group_bytes
        with self._lock:
            while not self._queue and self._is_running:
                self._work.wait()
            while self._queue and len(group) < self._settings.group_requests:
                room -= len(self._queue[0].body)
                if group and room < 0:
                    break
                group.append(self._queue.popleft())
        return group

    def _acknowledge(self, entry: _Waiting, number: int) -> None:
        try:
            entry.on_durable(number)
        except Exception as error:
            self._note_one(
                "journal_hand_over_failed",
                f"A durable request is not visible before the next start: {error!r}",
            )
        with self._lock:
            if entry.has_time:
                self._window.remember(entry.request_hash, number, entry.arrival_unix_nano)
                del self._on_the_way[entry.request_hash]
            self._repeated_requests += len(entry.repeats)
            self._waiting_bytes -= len(entry.body) * (1 + len(entry.repeats))
        entry.future.set_result(Receipt(number))
        for repeat in entry.repeats:
            repeat.future.set_result(Receipt(number, is_repeat=True))

    def _fail(self, group: list[_Waiting], refusal: StorageUnavailable) -> None:
        with self._lock:
            for entry in group:
                self._waiting_bytes -= len(entry.body)
                if entry.has_time:
                    del self._on_the_way[entry.request_hash]
                if entry.repeats:
                    heir, *others = entry.repeats
                    heir.repeats = others
                    self._enqueue(heir)
        for entry in group:
            entry.future.set_exception(refusal)

    def _note(self, problems: Iterable[Problem]) -> None:
        with self._lock:
            for problem in problems:
                kind = (problem.code, problem.message, problem.severity)
                self._problems[kind] += problem.count

    def _note_one(self, code: str, message: str) -> None:
        self._note([Problem(code, message)])


def _encode(entry: _Waiting, number: int, salt: bytes, previous: int) -> tuple[bytes, bytes]:
    frame = Frame(
        number,
        entry.signal,
        entry.arrival_unix_nano,
        entry.request_hash,
        entry.body,
        entry.has_time,
    )
    return encode_header(frame, salt, previous), entry.body
