"""Which keys a sealed segment keeps in its lists of numbers and flags.

Nearly all values of a key are of one type, and then in a column of their own. That no list holds
any other is worth knowing, since lists are slow to read: one scan tells it for good.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeAlias

from longpole.storage.duckdb.read.part import Part
from longpole.storage.duckdb.read.stored_rows import arrow

if TYPE_CHECKING:
    import duckdb

KINDS = ("int", "dbl", "bool")
_MOST_OF_ONE = 10_000
_Keys: TypeAlias = frozenset[tuple[str, str]]


class ListedKeys:
    """What was found in segments, the least recently used forgotten when all of them have more
    than `most_keys`. Any thread may use it."""

    def __init__(self, most_keys: int = 100_000) -> None:
        self._most_keys = most_keys
        self._held: OrderedDict[tuple[int, str], _Keys | None] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()

    def of(self, connection: duckdb.DuckDBPyConnection, part: Part, table: str) -> _Keys | None:
        """(kind, key) of all keys in the lists of `KINDS`; None where nobody knows."""
        if part.segment is None:
            return None
        place = part.segment.segment_id, table
        with self._lock:
            if place in self._held:
                self._held.move_to_end(place)
                return self._held[place]
        keys = _keys(connection, part, table)
        with self._lock:
            if place not in self._held:
                self._held[place] = keys
                self._count += 1 + len(keys or ())
            while self._count > self._most_keys:
                self._count -= 1 + len(self._held.popitem(last=False)[1] or ())
        return keys


def _keys(connection: duckdb.DuckDBPyConnection, part: Part, table: str) -> _Keys | None:
    union = " UNION ALL ".join(
        f"SELECT DISTINCT '{kind}' AS kind, key"
        f" FROM (SELECT unnest(attr_{kind}_keys) AS key FROM {part.without_parents(table)})"
        for kind in KINDS
    )
    rows = arrow(connection, f"{union} LIMIT {_MOST_OF_ONE + 1}")
    if rows.num_rows > _MOST_OF_ONE:
        return None
    pairs = (rows.column(name).to_pylist() for name in ("kind", "key"))
    return frozenset(zip(*pairs, strict=True))
