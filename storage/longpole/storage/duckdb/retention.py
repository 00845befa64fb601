"""Retention: whole segments go when they are too old or when there is no room for them."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from loguru import logger

from longpole.model.clock import Clock
from longpole.storage.duckdb.expiry import expiry_of
from longpole.storage.duckdb.leases import LeaseBook
from longpole.storage.duckdb.manifest import Manifest, ManifestChange, SegmentEntry
from longpole.storage.duckdb.settings import StoreSettings
from longpole.storage.duckdb.state import EngineState, superseded_table
from longpole.storage.duckdb.superseded import unneeded

_DAY_NS = 86_400_000_000_000
_TOLERATED_JUMP_NS = 3_600_000_000_000
REASONS = ("age", "size", "free_disk")


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
        rewrite: Callable[[int], None],
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        """`rewrite` drops what is hidden from one segment."""
        self._settings = settings
        self._state = state
        self._manifest = manifest
        self._leases = leases
        self._clock = clock
        self._rewrite = rewrite
        self._free = free
        self._start = (clock.now_unix_nano(), clock.monotonic_ns())

    def expire(self) -> int:
        """Drop what is due; how many segments."""
        entries = self._manifest.segments()
        used = sum(entry.byte_count for entry in entries)
        room = (self._free(self._settings.data_dir) + used) // 2
        limits = {"size": self._settings.retain_bytes, "free_disk": room}
        tighter = min(limits, key=lambda reason: limits[reason])
        doomed = expired(
            entries,
            self._now() - round(self._settings.retain_days * _DAY_NS),
            limits[tighter],
        )
        if not doomed:
            return 0
        with self._leases.lease() as lease:
            # What a hot revision hides must outlive a crash, as in a merge.
            durable = self._manifest.superseded()
            snapshot = replace(lease.snapshot, superseded=superseded_table(durable))
            expiry = expiry_of(snapshot, lease.cursor(), doomed)
        leaving = {*doomed, *expiry.emptied}
        forgotten = unneeded(durable, self._leases, leaving)
        gone = [entry for entry in entries if entry.segment_id in leaving]
        counts = expired_counts(gone, {i: tighter if d == "size" else d for i, d in doomed.items()})
        self._manifest.commit(
            ManifestChange(
                removed=tuple(sorted(leaving)),
                superseded=expiry.hidden,
                unsuperseded=forgotten,
                reopened=expiry.reopened,
                counts=counts,
            )
        )
        self._leases.retire(self._state.expire(leaving, expiry, forgotten))
        logger.info(
            "expired {} segments with {} records: {}",
            len(gone),
            sum(entry.row_count for entry in gone if entry.kind != "derived"),
            ", ".join(f"{name} {number:,}" for name, number in sorted(counts.items())),
        )
        for segment_id in expiry.thinned:
            self._rewrite(segment_id)
        return len(leaving)

    def _now(self) -> int:
        wall, monotonic = self._start
        ran = self._clock.monotonic_ns() - monotonic
        return min(self._clock.now_unix_nano(), wall + ran + _TOLERATED_JUMP_NS)


def expired(entries: Iterable[SegmentEntry], stored_before: int, byte_limit: int) -> dict[int, str]:
    """Segments stored before that time (`age`), and the oldest ones beyond the limit (`size`).

    Derived ones go with the spans that they explain, so they count as a part of these.
    """
    listed = list(entries)
    spans = sum(entry.row_count for entry in listed if entry.kind == "spans")
    derived = sum(entry.byte_count for entry in listed if entry.kind == "derived")
    doomed: dict[int, str] = {}
    held = 0.0
    for entry in sorted(listed, key=lambda e: (e.stored_unix_nano, e.segment_id), reverse=True):
        if entry.kind == "derived":
            continue
        held += entry.byte_count
        if entry.kind == "spans" and spans:
            held += derived * entry.row_count / spans
        if entry.stored_unix_nano < stored_before:
            doomed[entry.segment_id] = "age"
        elif held > byte_limit:
            doomed[entry.segment_id] = "size"
    return doomed


def expired_counts(gone: Iterable[SegmentEntry], reasons: Mapping[int, str]) -> dict[str, int]:
    """Records and bytes by reason, as the manifest adds them up. Derived rows are no records,
    and their bytes go for the reason of the spans."""
    counts: Counter[str] = Counter()
    usual = next(iter(reasons.values()))
    for entry in gone:
        reason = reasons.get(entry.segment_id, usual)
        counts[f"expired_by_{reason}_bytes"] += entry.byte_count
        if entry.kind != "derived":
            counts[f"expired_by_{reason}_rows"] += entry.row_count
    return dict(counts)
