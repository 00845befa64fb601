"""Questions that a bug of the server left without an answer, for the page of its state."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from longpole.model.clock import Clock

LONGEST_PATH = 200


@dataclass(frozen=True, slots=True)
class Failures:
    """How many since the start, and the last one's address and time."""

    count: int
    path: str
    at_unix_nano: int


class FailedQuestions:
    """Counts them; any thread may use it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._told: Failures | None = None

    def note(self, path: str) -> None:
        """One more, asked at that path."""
        with self._lock:
            count = self._told.count + 1 if self._told else 1
            self._told = Failures(count, path[:LONGEST_PATH], self._clock.now_unix_nano())

    @property
    def told(self) -> Failures | None:
        """None as long as there was none."""
        with self._lock:
            return self._told
