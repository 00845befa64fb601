"""What can be set about the journal, with the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """Where the journal lives and how much it may hold.

    `max_file_bytes`: a new file is begun before this is passed, so a file stays under it (or
    holds one group). `max_waiting_bytes`: bodies not yet durable; more are refused as
    overload. `min_free_bytes`: below this much free disk, requests are refused before the
    disk is really full. `dedup_window_seconds`: how long a request is remembered, so that an
    equal one is a repeat; at most `max_known_requests` are (about 350 bytes each).
    `group_bytes`, `group_requests`: at most this much goes into one write and fdatasync.
    `quarantine`: where copies of damaged stretches go, by default `quarantine` beside
    `directory`.
    """

    directory: Path
    max_file_bytes: int = 128 * MIB
    max_waiting_bytes: int = 256 * MIB
    min_free_bytes: int = 256 * MIB
    dedup_window_seconds: float = 900.0
    max_known_requests: int = 1_000_000
    group_bytes: int = 16 * MIB
    group_requests: int = 4096
    quarantine: Path | None = None

    @property
    def quarantine_directory(self) -> Path:
        return self.quarantine or self.directory.parent / "quarantine"
