"""Rows of a few traces among all that are in memory, without SQL.

DuckDB reads a hot table through Arrow's scanner, which takes some milliseconds to set up and goes
through every column that is named. Comparing the low halves of a million ids takes one, and the
interpreter's lock is free meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ids: TypeAlias = npt.NDArray[np.uint64]
Ints: TypeAlias = npt.NDArray[np.int64]
Places: TypeAlias = Sequence[tuple[int, Ints]]
# Up to so many ids are compared one by one.
_MOST_COMPARED = 4


class LowHalves:
    """Low halves of ids that are looked for. `ordered` has them growing."""

    def __init__(self, wanted: Ids) -> None:
        self.ordered: Ids = np.sort(wanted)
        # By their last 16 bits, which are random in most ids, all but few others are told apart.
        self._may_be = np.zeros(1 << 16, np.bool_)
        self._may_be[wanted.astype(np.uint16)] = True

    def places(self, lows: Ids) -> Ints:
        """The places of those that are among them, growing."""
        if not self.ordered.size:
            return np.zeros(0, np.int64)
        if self.ordered.size <= _MOST_COMPARED:
            is_wanted = lows == self.ordered[0]
            for other in self.ordered[1:]:
                is_wanted |= lows == other
            return np.flatnonzero(is_wanted)
        places: Ints = np.flatnonzero(self._may_be[lows.astype(np.uint16)])
        found = lows[places]
        kept: Ints = places[self.ordered[self.at(found)] == found]
        return kept

    def at(self, lows: Ids) -> Ints:
        """Where each of these is in `ordered`, if it is there."""
        return np.minimum(np.searchsorted(self.ordered, lows), self.ordered.size - 1)


def places_of_traces(table: pa.Table, hi: Ids, lo: Ids) -> Places:
    """Where the rows of these traces lie, and maybe those of others that share the low half of an
    id with one of them (of a single trace: none of others): for each chunk that has any, where it
    begins, and the places within it."""
    return list(_places(table, hi, lo)) if lo.size else []


def rows_at(table: pa.Table, places_of: Places) -> pa.Table:
    """The rows at those places, in the order in which they lie."""
    found = []
    for begin, places in places_of:
        first, last = int(places[0]), int(places[-1])
        piece = table.slice(begin + first, last - first + 1)
        found.append(piece.take(pa.array(places - first)))
    return pa.concat_tables(found) if found else table.slice(0, 0)


def in_schema(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows in the types of a schema with the same names. Casting a column to its own type
    copies nothing, but lets go of the interpreter's lock, which is waited for again and again
    where much comes in."""
    if rows.schema.equals(schema):
        return rows
    arrays = [
        column if column.type.equals(field.type) else column.cast(field.type)
        for column, field in zip(rows.columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def rows_of_traces(table: pa.Table, hi: Ids, lo: Ids) -> pa.Table:
    """The rows of `places_of_traces`."""
    return rows_at(table, places_of_traces(table, hi, lo))


def count_of_trace(table: pa.Table, high: int, low: int) -> int:
    """How many rows of one trace there are."""
    hi, lo = np.array([high], np.uint64), np.array([low], np.uint64)
    return sum(places.size for _, places in _places(table, hi, lo))


def newest_starts(spans: pa.Table, hi: Ids, lo: Ids) -> Ints | None:
    """When the newest of these spans of each trace starts, the least number for a trace without
    any. None when two of the traces have the same low half, which tells them apart here."""
    wanted = LowHalves(lo)
    if (wanted.ordered[1:] == wanted.ordered[:-1]).any():
        return None
    order = np.argsort(lo)
    newest = np.full(lo.size, np.iinfo(np.int64).min)
    highs, starts = spans.column("trace_hi"), spans.column("start_unix_nano")
    begin = 0
    for chunk in spans.column("trace_lo").iterchunks():
        lows: Ids = chunk.to_numpy()
        places = wanted.places(lows)
        if places.size:
            traces = order[wanted.at(lows[places])]
            is_own = highs.slice(begin, lows.size).to_numpy()[places] == hi[traces]
            own = starts.slice(begin, lows.size).to_numpy()[places[is_own]]
            np.maximum.at(newest, traces[is_own], own)
        begin += lows.size
    return newest


def _places(table: pa.Table, hi: Ids, lo: Ids) -> Iterator[tuple[int, Ints]]:
    wanted, highs = LowHalves(lo), table.column("trace_hi")
    begin = 0
    for chunk in table.column("trace_lo").iterchunks():
        lows: Ids = chunk.to_numpy()
        places = wanted.places(lows)
        if places.size and lo.size == 1:
            own = highs.slice(begin, lows.size).to_numpy()
            places = places[own[places] == hi[0]]
        if places.size:
            yield begin, places
        begin += lows.size
