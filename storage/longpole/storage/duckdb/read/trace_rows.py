"""Where the rows of a few traces lie in a sealed segment, without a look at all of them.

A segment is sorted by trace id and never changes, so the id of every 32nd row, read once and kept,
tells between which rows those of a trace lie:

    row     0        32        64        96
    id      03…      4a…       4a…       c1…      rows of 4a… lie in 1 to 95
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from longpole.storage.duckdb.read.part import Part
from longpole.storage.duckdb.read.stored_rows import arrow

if TYPE_CHECKING:
    import duckdb

STRIDE = 32
_Ids: TypeAlias = npt.NDArray[np.uint64]
_Rows: TypeAlias = npt.NDArray[np.int64]


class TraceRows:
    """The kept ids of segments that were asked for, the least recently used forgotten when all of
    them have more than `most_bytes`. Any thread may use it."""

    def __init__(self, most_bytes: int = 32 << 20) -> None:
        self._most_bytes = most_bytes
        self._held: OrderedDict[tuple[int, str], _Ids | None] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def of(
        self, connection: duckdb.DuckDBPyConnection, part: Part, table: str, hi: _Ids, lo: _Ids
    ) -> _Rows | None:
        """Numbers of rows, ascending, among which are all rows of these traces, and up to
        `2 * STRIDE` others for each of them. None where nobody knows."""
        if part.segment is None:
            return None
        ids = self._ids(connection, part, part.segment.segment_id, table)
        if ids is None:
            return None
        found = np.zeros(ids.shape[1], np.bool_)
        for high, low in zip(hi, lo, strict=True):
            first, after = (
                np.searchsorted(ids[0], high, "left"),
                np.searchsorted(ids[0], high, "right"),
            )
            # Of equal high halves (ids of 64 bits have all the same) the low ones are in order.
            lows = ids[1, first:after]
            after = first + int(np.searchsorted(lows, low, "right"))
            first += int(np.searchsorted(lows, low, "left"))
            found[max(first - 1, 0) : after] = True
        blocks = np.flatnonzero(found)
        return (blocks[:, None] * STRIDE + np.arange(STRIDE)).reshape(-1)

    def _ids(
        self, connection: duckdb.DuckDBPyConnection, part: Part, number: int, table: str
    ) -> _Ids | None:
        with self._lock:
            if (number, table) in self._held:
                self._held.move_to_end((number, table))
                return self._held[number, table]
        ids = _every_nth(connection, part, table)
        with self._lock:
            if (number, table) not in self._held:
                self._held[number, table] = ids
                self._bytes += _size(ids)
            while self._bytes > self._most_bytes:
                self._bytes -= _size(self._held.popitem(last=False)[1])
        return ids


def _size(ids: _Ids | None) -> int:
    return 64 + (0 if ids is None else ids.nbytes)


def _every_nth(connection: duckdb.DuckDBPyConnection, part: Part, table: str) -> _Ids | None:
    """Every `STRIDE`th id, in two rows; None when they are not in order after all."""
    rows = arrow(
        connection,
        "SELECT rowid AS r, trace_hi, trace_lo"
        f" FROM {part.plain(table)} WHERE rowid % {STRIDE} = 0",
    )
    order = np.argsort(rows.column("r").to_numpy())
    hi, lo = (rows.column(name).to_numpy()[order] for name in ("trace_hi", "trace_lo"))
    is_next = (hi[1:] > hi[:-1]) | ((hi[1:] == hi[:-1]) & (lo[1:] >= lo[:-1]))
    return np.stack([hi, lo]) if bool(is_next.all()) else None
