"""The end of the journal: the one file that is being appended to."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from longpole.storage.journal.frame import SALT_BYTES
from longpole.storage.journal.inventory import JournalFile, file_path, sync_directory

_BUFFERS_PER_WRITE = 1024  # IOV_MAX on Linux
_NAMES_TO_TRY = 1000


class Tail:
    """Appends groups of frames to a file and makes them durable. Not thread-safe.

    After a failed write or fdatasync a file is never trusted again: the kernel may have
    dropped the pages and report success the next time. What was not durable is cut off, so
    that it does not come back after a restart, and the next group begins a new file.
    """

    def __init__(self, directory: Path, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self.salt = b""
        self.durable_bytes = 0
        self.last_sequence = 0  # the last durable one in this file; 0: none yet
        self._directory = directory
        self._random_bytes = random_bytes
        self._path: Path | None = None
        self._first_sequence = 0
        self._fd = -1

    @property
    def is_open(self) -> bool:
        return self._path is not None

    def begin(self, sequence_number: int) -> int:
        """Create a file for frames from that number on; returns the number to go on with,
        higher if the name was taken. Raises OSError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        for first in range(sequence_number, sequence_number + _NAMES_TO_TRY):
            path = file_path(self._directory, first)
            try:
                fd = os.open(path, flags, 0o600)
            except FileExistsError:
                continue  # left empty by a crash, or not ours
            try:
                sync_directory(self._directory)
            except OSError:
                os.close(fd)
                with suppress(OSError):
                    path.unlink()
                raise
            self._fd, self._path, self._first_sequence = fd, path, first
            self.salt = self._random_bytes(SALT_BYTES)
            self.durable_bytes = self.last_sequence = 0
            return first
        raise FileExistsError(f"{_NAMES_TO_TRY} file names from {sequence_number} on are taken")

    def append(self, buffers: Sequence[bytes], byte_count: int, last_sequence: int) -> None:
        """Write the buffers and return when they are durable. Raises OSError; then none of
        them counts, and all that is left to do with this file is to close it."""
        try:
            _write_all(self._fd, buffers)
            os.fdatasync(self._fd)
        except OSError:
            self._cut_off()
            raise
        self.durable_bytes += byte_count
        self.last_sequence = last_sequence

    def file(self) -> JournalFile | None:
        """What is durable of the open file; None when there is nothing."""
        if self._path is None or not self.durable_bytes:
            return None
        return JournalFile(self._path, self._first_sequence, self.last_sequence, self.durable_bytes)

    def close(self) -> JournalFile | None:
        """Close the file; what it holds, None (and the file is gone) when that is nothing."""
        file, path = self.file(), self._path
        if path is None:
            return None
        self._path = None
        os.close(self._fd)
        if file is None:
            with suppress(OSError):
                path.unlink()
        return file

    def _cut_off(self) -> None:
        """Best effort: when this fails too, the frames may come back as if accepted, and
        replay takes only the first of equal requests."""
        with suppress(OSError):
            os.ftruncate(self._fd, self.durable_bytes)
            os.fdatasync(self._fd)


def _write_all(fd: int, buffers: Sequence[bytes]) -> None:
    for start in range(0, len(buffers), _BUFFERS_PER_WRITE):
        chunk: list[bytes | memoryview] = list(buffers[start : start + _BUFFERS_PER_WRITE])
        while chunk:
            written = os.writev(fd, chunk)
            while chunk and written >= len(chunk[0]):
                written -= len(chunk.pop(0))
            if chunk and written:
                chunk[0] = memoryview(chunk[0])[written:]
