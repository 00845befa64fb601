"""Documents that take a while, kept for a few seconds: a reload, or a page and what loads after
it, ask once.

Two that ask for the same at the same time get one answer made; who shows it says how old it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from longpole.model.clock import Clock

KEPT_NS = 10 * 10**9
MOST_KEPT = 32


class Timed(Protocol):
    """Whatever has a clock; it is read when an answer is asked for, not before."""

    @property
    def clock(self) -> Clock: ...


@dataclass(frozen=True, slots=True)
class Dated:
    """A document and when it was made."""

    document: dict[str, Any]
    made_unix_nano: int


@dataclass(slots=True)
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    held: Dated | None = None
    made_ns: int = 0


class RecentAnswers:
    """Answers by key, `MOST_KEPT` of them; safe to use from any thread."""

    def __init__(self, timed: Timed, kept_ns: int = KEPT_NS) -> None:
        self._timed = timed
        self._kept_ns = kept_ns
        self._lock = threading.Lock()
        self._slots: dict[str, _Slot] = {}

    def of(self, key: str, make: Callable[[], dict[str, Any]]) -> Dated:
        """The document kept under `key`, or a new one when there is none that is young enough.
        What `make` raises is raised, and nothing is kept of it."""
        with self._lock:
            slot = self._slots.pop(key, None) or _Slot()
            self._slots[key] = slot  # at the end: those asked for longest ago go first
            while len(self._slots) > MOST_KEPT:
                del self._slots[next(iter(self._slots))]
        with slot.lock:
            now = self._timed.clock.monotonic_ns()
            if slot.held is None or now - slot.made_ns > self._kept_ns:
                slot.held = Dated(make(), self._timed.clock.now_unix_nano())
                slot.made_ns = self._timed.clock.monotonic_ns()
            return slot.held
