"""Last known answers: what a page shows of a part whose service has no answer just now."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")

MOST_KEYS = 1_000


class LastKnown(Generic[T]):
    """The last answer for each key; beyond `most_keys` the longest unused is forgotten. Lost with
    the instance, which is all right: it only makes a bad page better."""

    def __init__(self, most_keys: int = MOST_KEYS) -> None:
        self._most_keys = most_keys
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, T] = OrderedDict()

    def keep(self, key: str, answer: T) -> T:
        """Remember the answer; returns it."""
        with self._lock:
            self._answers[key] = answer
            self._answers.move_to_end(key)
            if len(self._answers) > self._most_keys:
                self._answers.popitem(last=False)
        return answer

    def get(self, key: str) -> T | None:
        """The last answer for this key, if there was one."""
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
            return self._answers.get(key)
