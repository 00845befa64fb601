"""What can be set about the embedded engine, with the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Settling, sealing, compaction, retention and memory of one data directory.

    `compact_files`: so many small segments of a kind are merged into one, as long as it has
    at most `compact_max_rows`. `retain_bytes` is further bounded by half of the free disk.
    `min_free_bytes`: requests are refused before less of the disk is free.
    `max_unsealed_rows` and `max_unsealed_bytes` (or three seals' worth, if that is more) may wait
    to be sealed, and `max_pending_traces` to be explained; more is refused until there are less.
    `lease_grace_seconds`: how long a query may hold files that have expired. `views_bytes`: how
    much the views of big traces may take, at most a twentieth of `retain_bytes`.
    """

    data_dir: Path
    settle_after_seconds: float = 5.0
    settle_at_most_seconds: float = 60.0
    dedup_window_seconds: float = 900.0
    retain_days: float = 7.0
    retain_bytes: int = 20 * GIB
    min_free_bytes: int = 256 << 20
    seal_rows: int = 1_000_000
    seal_bytes: int = 64 << 20
    seal_after_seconds: float = 600.0
    max_unsealed_rows: int = 3_000_000
    max_unsealed_bytes: int = 256 << 20
    max_pending_traces: int = 1_000_000
    compact_files: int = 8
    compact_max_rows: int = 5_000_000
    memory_limit_bytes: int = 2 * GIB
    threads: int = 2
    lease_grace_seconds: float = 60.0
    views_bytes: int = GIB
