"""What was worked out of hot tables, for who asks again before other rows come.

The tables themselves are not held: once they are sealed they would stay in memory, hundreds of
MiB, until the same was asked again.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import pyarrow as pa

_Made = TypeVar("_Made")


class MadeOfHot(Generic[_Made]):
    """The last result under each key, of those very tables. Any thread may use it."""

    def __init__(self) -> None:
        self._held: dict[Hashable, tuple[tuple[weakref.ref[pa.Table], ...], _Made]] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, tables: tuple[pa.Table, ...], make: Callable[[], _Made]) -> _Made:
        """What is kept under this key, if it was made of these tables, else what `make` gives."""
        with self._lock:
            known = self._held.get(key)
        if known is not None:
            of, made = known
            if all(ref() is table for ref, table in zip(of, tables, strict=True)):
                return made
        made = make()
        with self._lock:
            self._held[key] = tuple(weakref.ref(table) for table in tables), made
        return made
