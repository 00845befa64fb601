"""Rows of a few traces among all that are in memory, without SQL.

DuckDB reads a hot table through Arrow's scanner, which takes some milliseconds to set up and goes
through every column that is named. Comparing the low halves of a million ids takes one, and the
interpreter's lock is free meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_Ids: TypeAlias = npt.NDArray[np.uint64]
# Up to so many ids are compared one by one.
_MOST_COMPARED = 4


def rows_of_traces(table: pa.Table, hi: _Ids, lo: _Ids) -> pa.Table:
    """The rows of these traces in the order in which they lie, and maybe of others that share the
    low half of an id with one of them (of a single trace: none of others)."""
    found = []
    for begin, places in _places(table, hi, lo):
        first, last = int(places[0]), int(places[-1])
        piece = table.slice(begin + first, last - first + 1)
        found.append(piece.take(pa.array(places - first)))
    return pa.concat_tables(found) if found else table.slice(0, 0)


def count_of_trace(table: pa.Table, high: int, low: int) -> int:
    """How many rows of one trace there are."""
    hi, lo = np.array([high], np.uint64), np.array([low], np.uint64)
    return sum(places.size for _, places in _places(table, hi, lo))


def places_among(lows: _Ids, wanted: _Ids) -> npt.NDArray[np.int64]:
    """The places of those low halves that are among `wanted`, growing."""
    # By their last 16 bits, which are random in most ids, all but few are told apart.
    may_be = np.zeros(1 << 16, np.bool_)
    may_be[wanted.astype(np.uint16)] = True
    places = np.flatnonzero(may_be[lows.astype(np.uint16)])
    return places[np.isin(lows[places], wanted)]


def _places(
    table: pa.Table, hi: _Ids, lo: _Ids
) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:  # fmt: skip
    """The places within each chunk that has any, and where the chunk begins."""
    if not lo.size:
        return
    highs = table.column("trace_hi")
    begin = 0
    for chunk in table.column("trace_lo").iterchunks():
        lows: _Ids = chunk.to_numpy()
        if lo.size <= _MOST_COMPARED:
            is_wanted = lows == lo[0]
            for other in lo[1:]:
                is_wanted |= lows == other
            places = np.flatnonzero(is_wanted)
        else:
            places = places_among(lows, lo)
        if places.size and lo.size == 1:
            own = highs.slice(begin, lows.size).to_numpy()
            places = places[own[places] == hi[0]]
        if places.size:
            yield begin, places
        begin += lows.size
