"""Numbers of many series as whole columns: blocks that arrived together, put side by side.

    block 1      a: 1 2 3   b: 7 8 9        times of a and b: 10 20 30
    block 2      a: 4 5     b: 6 5          times of a and b: 40 50
    answer       a: 1 2 3 4 5   b: 7 8 9 6 5   one array of times for both

Series that were sent together have their points at the same times, so these are kept once, and
all series that have the same ones are put together with one copy for each block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from longpole.model.timerange import TimeRange

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
_MS = 1_000_000
_NO_RECORDED_VALUE = 1
_NOWHERE = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class NumberPoints:
    """For each series asked for the Unix nanoseconds of its points, the numbers, and which of them
    only say that the series ended (None: none). By millisecond; of those in the same one, what
    arrived first comes first. Arrays of times may be shared. `count` is how many points there are;
    when these are more than were allowed there are no arrays."""

    times: Sequence[Integers]
    values: Sequence[Floats]
    is_stale: Sequence[Booleans | None]
    count: int


@dataclass(frozen=True, slots=True)
class Block:
    """Points by series and time. `ids` rise; those of the n-th one lie in
    `starts[n]:starts[n + 1]`, at the times of `runs[run_of[n]]`."""

    ids: NDArray[np.uint64]
    starts: Integers
    values: Floats
    is_stale: Booleans | None
    runs: tuple[Integers, ...]
    run_of: Integers

    @property
    def byte_count(self) -> int:
        """About what it holds."""
        shared = (self.ids, self.starts, self.values, self.run_of, *self.runs)
        stale = 0 if self.is_stale is None else self.is_stale.nbytes
        return stale + sum(one.nbytes for one in shared)


def block_of(
    ids: NDArray[np.uint64], times: Integers, values: Floats, flags: NDArray[np.uint32]
) -> Block:
    """A block of points in the order of their arrival."""
    turns = ids[1:] != ids[:-1]
    if bool((ids[1:] < ids[:-1]).any()) or bool(((times[1:] < times[:-1]) & ~turns).any()):
        order = np.lexsort((times // _MS, ids))
        ids, times, values, flags = ids[order], times[order], values[order], flags[order]
        turns = ids[1:] != ids[:-1]
    begins = np.flatnonzero(np.append(True, turns)[: ids.size])
    starts = np.append(begins, ids.size)
    known: dict[bytes, int] = {}
    runs: list[Integers] = []
    run_of = np.empty(begins.size, np.int64)
    for place, (begin, end) in enumerate(pairwise(starts.tolist())):
        run = times[begin:end]
        number = known.setdefault(run.tobytes(), len(runs))
        if number == len(runs):
            runs.append(run.copy())
        run_of[place] = number
    stale = (flags & _NO_RECORDED_VALUE) != 0
    return Block(
        ids[begins], starts, np.ascontiguousarray(values), stale if stale.any() else None,
        tuple(runs), run_of,
    )  # fmt: skip


def assembled(
    blocks: Sequence[Block], series_ids: Sequence[int], time: TimeRange, most: int
) -> NumberPoints:
    """The points of these series in that time; blocks come in the order of their arrival."""
    wanted = np.array(series_ids, np.uint64)
    found = [_Found.of(block, wanted, time) for block in blocks]
    count = sum(int(one.sizes[one.runs].sum()) for one in found)
    if count > most:
        return NumberPoints((), (), (), count)
    times: list[Integers] = [_NOWHERE] * wanted.size
    values: list[Floats] = [np.empty(0)] * wanted.size
    is_stale: list[Booleans | None] = [None] * wanted.size
    if count:
        for places in _alike(np.stack([one.runs for one in found], axis=1)):
            own_times, matrix, stale = _side_by_side(found, places)
            for row, place in enumerate(places.tolist()):
                times[place], values[place] = own_times, matrix[row]
                is_stale[place] = None if stale is None else stale[row]
    return NumberPoints(times, values, is_stale, count)


def _alike(pattern: Integers) -> Sequence[Integers]:
    """The places of equal rows."""
    if bool((pattern == pattern[0]).all()):
        return (np.arange(len(pattern)),)
    _, group_of = np.unique(pattern, axis=0, return_inverse=True)
    order = np.argsort(group_of.ravel(), kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group_of.ravel()[order])) + 1)


@dataclass(frozen=True, slots=True)
class _Found:
    """Where the wanted series lie in one block: `rows` of the block and their `runs` of times, -1
    for series that are not there. The part of a run in the time is `low` and `sizes` long; one more
    entry stands for those that are not there."""

    block: Block
    rows: Integers
    runs: Integers
    low: Integers
    sizes: Integers

    @staticmethod
    def of(block: Block, wanted: NDArray[np.uint64], time: TimeRange) -> _Found:
        low, high = np.array([*(_bounds(run, time) for run in block.runs), (0, 0)], np.int64).T
        rows = np.searchsorted(block.ids, wanted)
        inside = np.minimum(rows, max(block.ids.size - 1, 0))
        is_there = block.ids[inside] == wanted if block.ids.size else np.zeros(wanted.size, bool)
        runs = np.full(wanted.size, -1, np.int64)
        runs[is_there] = block.run_of[inside[is_there]]
        return _Found(block, inside, runs, low, high - low)


def _side_by_side(
    found: Sequence[_Found], places: Integers
) -> tuple[Integers, Floats, Booleans | None]:
    """The points of series that have the same times in every block."""
    first = places[0]
    held = [one for one in found if one.sizes[one.runs[first]]]
    if not held:
        return _NOWHERE, np.empty((places.size, 0)), None
    runs = [int(one.runs[first]) for one in held]
    sizes = [int(one.sizes[run]) for one, run in zip(held, runs, strict=True)]
    shape = (places.size, sum(sizes))
    times, matrix = np.empty(shape[1], np.int64), np.empty(shape)
    has_stale = any(one.block.is_stale is not None for one in held)
    marks = np.zeros(shape, bool) if has_stale else None
    at = 0
    for one, run, size in zip(held, runs, sizes, strict=True):
        low, here = int(one.low[run]), slice(at, at + size)
        times[here] = one.block.runs[run][low : low + size]
        begins = one.block.starts[one.rows[places]] + low
        matrix[:, here] = _rows(one.block.values, begins, size)
        if marks is not None and one.block.is_stale is not None:
            marks[:, here] = _rows(one.block.is_stale, begins, size)
        at += size
    at_ms = times // _MS
    if bool((at_ms[1:] < at_ms[:-1]).any()):
        order = np.argsort(at_ms, kind="stable")
        times, matrix = times[order], matrix[:, order]
        marks = None if marks is None else marks[:, order]
    return times, matrix, marks


def _bounds(run: Integers, time: TimeRange) -> tuple[int, int]:
    """The part of a run that lies in a time; most lie in it as a whole."""
    if run.size and run[0] >= time.start_unix_nano and run[-1] < time.end_unix_nano:
        return 0, run.size
    low, high = np.searchsorted(run, (time.start_unix_nano, time.end_unix_nano)).tolist()
    return low, high


def _rows(of: NDArray[np.generic], begins: Integers, size: int) -> NDArray[np.generic]:
    """Equally long pieces of a column, one a row."""
    if begins.size == 1:
        begin = int(begins[0])
        return of[None, begin : begin + size]
    return np.lib.stride_tricks.sliding_window_view(of, size)[begins]
