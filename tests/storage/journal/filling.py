"""Journals for tests: opened, filled, closed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from longpole.model.clock import Clock, ManualClock
from longpole.model.signals import Signal
from longpole.storage.journal import Frame, Journal, JournalSettings
from longpole.storage.receipt import Receipt

ANSWER_SECONDS = 20


def settings(root: Path, **changes: Any) -> JournalSettings:
    """Settings for `root/journal`; any free space is enough."""
    values: dict[str, Any] = {"min_free_bytes": 0, **changes}
    return JournalSettings(root / "journal", **values)


@contextmanager
def opened(
    root: Path,
    clock: Clock | None = None,
    sealed_through: int = 0,
    known_hashes: Iterable[tuple[bytes, int, int]] = (),
    **changes: Any,
) -> Iterator[Journal]:
    journal = Journal(
        settings(root, **changes),
        clock or ManualClock(),
        sealed_through=sealed_through,
        known_hashes=known_hashes,
    )
    journal.open()
    try:
        yield journal
    finally:
        journal.close()


def put(
    journal: Journal,
    body: bytes,
    arrival_unix_nano: int = 1_700_000_000_000_000_000,
    signal: Signal = Signal.TRACES,
    has_time: bool = True,
) -> Future[Receipt]:
    return journal.append(signal, body, arrival_unix_nano, has_time, lambda _: None)


def put_now(journal: Journal, body: bytes, arrival_unix_nano: int = 1_700_000_000_000_000_000,
            has_time: bool = True) -> Receipt:  # fmt: skip
    """Append alone, so that it is a group of its own."""
    return put(journal, body, arrival_unix_nano, has_time=has_time).result(ANSWER_SECONDS)


def bodies(frames: Iterable[Frame]) -> list[bytes]:
    return [frame.body for frame in frames]


def fill(root: Path, requests: Iterable[bytes], **changes: Any) -> Path:
    """A closed journal that holds these requests; the path of its newest file."""
    with opened(root, **changes) as journal:
        for body in requests:
            put_now(journal, body)
    return max((root / "journal").glob("*.journal"))
