"""All files of a journal: finds them, writes the newest, gives the sealed ones back."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from longpole.model.clock import Clock
from longpole.model.problem import Problem
from longpole.storage.journal.frame import MAGIC, FrameHeader
from longpole.storage.journal.free_space import FreeSpaceGuard
from longpole.storage.journal.inventory import JournalFile, journal_files
from longpole.storage.journal.scan import Found, scan
from longpole.storage.journal.settings import JournalSettings
from longpole.storage.journal.tail import Tail

# Makes the header and body of one frame from its sequence number, the salt of its file and
# the last durable sequence number before it.
Encoder = Callable[[int, bytes, int], tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Walk:
    """What `Shelf.open` found: headers of unsealed frames that may be repeated."""

    headers: list[FrameHeader] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class Shelf:
    """Thread-safe; a write holds the lock, so the other calls may wait for one fdatasync."""

    def __init__(self, settings: JournalSettings, clock: Clock) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._tail = Tail(settings.directory)
        self._space = FreeSpaceGuard(settings.directory, settings.min_free_bytes, clock)
        self._closed: list[JournalFile] = []  # every one with its last_sequence
        self._closed_bytes = 0
        self._next_sequence = 1
        self.last_sequence = 0

    @property
    def byte_count(self) -> int:
        return self._closed_bytes + self._tail.durable_bytes

    def open(self, sealed_through: int) -> Walk:
        """Take stock of a directory. Raises OSError when it cannot be listed."""
        walk = Walk()
        files, problems = journal_files(self._settings.directory)
        walk.problems.extend(problems)
        last = highest = sealed_through
        for file in files:
            if file.last_sequence is None or file.last_sequence > sealed_through:
                seen = self._walk(file, walk, sealed_through)
                last = max(last, seen[0])
                highest = max(highest, *seen, file.first_sequence - 1)
        with self._lock:
            self.last_sequence = last
            self._next_sequence = highest + 1
            for file in files:
                end = file.last_sequence
                if end is None:  # at least one frame, or replay would pass over its damage
                    end = max(highest, file.first_sequence)
                self._closed.append(replace(file, last_sequence=end))
                self._closed_bytes += _size(file.path)
        return walk

    def _walk(self, file: JournalFile, walk: Walk, sealed_through: int) -> tuple[int, int]:
        """The highest number of a whole frame, and of any header, in the file."""
        last = highest = 0
        try:
            fd = os.open(file.path, os.O_RDONLY)
        except OSError:
            return 0, 0  # replay reports it
        try:
            for piece in scan(fd, os.fstat(fd).st_size, with_bodies=False):
                if isinstance(piece, Found):
                    last = max(last, piece.header.sequence_number)
                    is_unsealed = piece.header.sequence_number > sealed_through
                    if is_unsealed and piece.header.has_time:
                        walk.headers.append(piece.header)
                else:
                    highest = max(highest, piece.sequence_number)
        finally:
            os.close(fd)
        return last, max(last, highest)

    def write(self, encoders: Sequence[Encoder], byte_count: int) -> int:
        """Append one frame for each encoder and return the number of the first when all are
        durable. Raises OSError or `StorageUnavailable`; then none of them is kept."""
        with self._lock:
            self._space.spend(byte_count)
            has_no_room = self._tail.durable_bytes + byte_count > self._settings.max_file_bytes
            if self._tail.durable_bytes and has_no_room:
                self._close_tail()
            if not self._tail.is_open:
                self._next_sequence = self._tail.begin(self._next_sequence)
            first = self._next_sequence
            previous = self.last_sequence
            buffers: list[bytes] = []
            for number, encode in enumerate(encoders, first):
                buffers.extend(encode(number, self._tail.salt, previous))
            last = first + len(encoders) - 1
            # Used up even if the write fails: should the frames survive after all, nothing
            # else may carry their numbers.
            self._next_sequence = last + 1
            try:
                self._tail.append(buffers, byte_count, last)
            except OSError:
                self._close_tail()
                raise
            self.last_sequence = last
            return first

    def files(self) -> list[JournalFile]:
        """Every file, as far as it is durable now, in order."""
        with self._lock:
            tail = self._tail.file()
            return [*self._closed, *([tail] if tail else [])]

    def release(self, through_sequence: int) -> list[Problem]:
        """Remove the files that hold no frame after this one; what went wrong."""
        problems: list[Problem] = []
        with self._lock:
            if self._tail.last_sequence and self._tail.last_sequence <= through_sequence:
                self._close_tail()
            kept: list[JournalFile] = []
            for file in self._closed:
                assert file.last_sequence is not None
                if file.last_sequence > through_sequence:
                    kept.append(file)
                    continue
                size = _size(file.path)
                try:
                    self._remove(file.path)
                except OSError as error:
                    message = f"{file.path} is no longer needed but cannot be deleted: {error}"
                    problems.append(Problem("journal_release_failed", message))
                    kept.append(file)
                else:
                    self._closed_bytes -= size
            self._closed = kept
        return problems

    def close(self) -> None:
        """Close the newest file. A later `write` would begin another one."""
        with self._lock:
            self._close_tail()

    def _close_tail(self) -> None:
        file = self._tail.close()
        if file is not None:
            # It keeps its limit: what a failed write left behind it is no frame of ours.
            self._closed.append(file)
            self._closed_bytes += _size(file.path)
        self._tail.durable_bytes = 0

    def _remove(self, path: Path) -> None:
        """Delete a file of ours; one that only has our name goes to quarantine."""
        try:
            with path.open("rb") as file:
                start = file.read(len(MAGIC))
            if start and start != MAGIC:
                aside = self._settings.quarantine_directory
                aside.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.rename(aside / path.name)
            else:
                path.unlink()
        except FileNotFoundError:
            return


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
