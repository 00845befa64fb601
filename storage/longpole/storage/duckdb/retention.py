"""Retention: whole segments go when they are too old or when there is no room for them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from longpole.model.clock import Clock
from longpole.storage.duckdb.leases import LeaseBook
from longpole.storage.duckdb.manifest import Manifest, ManifestChange, SegmentEntry
from longpole.storage.duckdb.settings import StoreSettings
from longpole.storage.duckdb.state import EngineState
from longpole.storage.duckdb.superseded import unneeded

_DAY_NS = 86_400_000_000_000
_TOLERATED_JUMP_NS = 3_600_000_000_000


def free_bytes(path: Path) -> int:
    """Free bytes on the disk that holds `path`."""
    return shutil.disk_usage(path).free


class Retention:
    """Expires segments.

    Age counts from when the youngest record of a file was stored, so that an import of last
    year's traces stays for the whole time. The wall clock counts only as far as the
    monotonic one went along with it: setting the clock a year ahead deletes nothing.
    """

    def __init__(
        self,
        settings: StoreSettings,
        state: EngineState,
        manifest: Manifest,
        leases: LeaseBook,
        clock: Clock,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._settings = settings
        self._state = state
        self._manifest = manifest
        self._leases = leases
        self._clock = clock
        self._free = free
        self._start = (clock.now_unix_nano(), clock.monotonic_ns())

    def expire(self) -> int:
        """Drop what is due; how many segments."""
        entries = self._manifest.segments()
        used = sum(entry.byte_count for entry in entries)
        room = (self._free(self._settings.data_dir) + used) // 2
        doomed = expired(
            entries,
            self._now() - round(self._settings.retain_days * _DAY_NS),
            min(self._settings.retain_bytes, room),
        )
        if not doomed:
            return 0
        forgotten = unneeded(self._state, self._leases, doomed)
        self._manifest.commit(ManifestChange(removed=tuple(sorted(doomed)), unsuperseded=forgotten))
        self._leases.retire(self._state.swap((), doomed, forgotten))
        return len(doomed)

    def _now(self) -> int:
        wall, monotonic = self._start
        ran = self._clock.monotonic_ns() - monotonic
        return min(self._clock.now_unix_nano(), wall + ran + _TOLERATED_JUMP_NS)


def expired(entries: Iterable[SegmentEntry], stored_before: int, byte_limit: int) -> set[int]:
    """Ids of segments stored before that time, and of the oldest ones beyond the limit."""
    doomed: set[int] = set()
    held = 0
    for entry in sorted(entries, key=lambda e: (e.stored_unix_nano, e.segment_id), reverse=True):
        held += entry.byte_count
        if entry.stored_unix_nano < stored_before or held > byte_limit:
            doomed.add(entry.segment_id)
    return doomed
