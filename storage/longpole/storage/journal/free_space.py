"""Refuses writes before the disk is really full."""

from __future__ import annotations

import os
from pathlib import Path

from longpole.model.clock import Clock
from longpole.storage.receipt import DiskFull

_CHECK_EVERY_NS = 100_000_000


def disk_full(directory: Path, free_bytes: int, min_free_bytes: int) -> str:
    """What to tell a person, and which settings help."""
    return (
        f"The disk of {directory} is full: {free_bytes >> 20} MiB are free, and --min-free-bytes "
        f"keeps {min_free_bytes >> 20} MiB of them. New data is refused. Free some space, keep "
        "less with --retain-days or --retain-bytes, or lower --min-free-bytes."
    )


class FreeSpaceGuard:
    """Keeps `min_free_bytes` of the file system free. Asks the kernel at most every 100 ms
    and counts down its own writes in between."""

    def __init__(self, directory: Path, min_free_bytes: int, clock: Clock) -> None:
        self._directory = directory
        self._min_free_bytes = min_free_bytes
        self._clock = clock
        self._checked_ns: int | None = None
        self._free_bytes = 0

    def spend(self, byte_count: int) -> None:
        """About to write that much. Raises `DiskFull` if too little would be left
        over, OSError if the file system cannot be asked."""
        now = self._clock.monotonic_ns()
        if self._checked_ns is None or now - self._checked_ns >= _CHECK_EVERY_NS:
            room = os.statvfs(self._directory)
            self._free_bytes = room.f_bavail * room.f_frsize
            self._checked_ns = now
        if self._free_bytes - byte_count < self._min_free_bytes:
            raise DiskFull(
                disk_full(self._directory, self._free_bytes, self._min_free_bytes)
                + " Nothing of the request was kept."
            )
        self._free_bytes -= byte_count
