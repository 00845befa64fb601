"""Ordering: the spans of every trace of a batch by their ids, in compiled loops.

The same order as `repair` gives one trace at a time, where ids differ; a trace in which one
repeats is only marked as odd, as is one with times that 64 bits hardly hold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from longpole.analyzer.columnar.forest import FAR_TIME, FARTHEST_UNIX_NANO, REPEATED_ID
from longpole.analyzer.columnar.rooms import rooms
from longpole.model.compiling import (
    BYTES,
    CODES,
    IDS,
    INTS,
    OUT,
    OUT_BYTES,
    OUT_CODES,
    OUT_IDS,
    compiled,
)

Ints = npt.NDArray[np.int64]
Ids = npt.NDArray[np.uint64]
Codes = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]

_FEW = 32  # as many are compared each with each


def id_order(
    offsets: Ints, span_ids: Ids, starts: Ints, durations: Ints
) -> tuple[Ints, Ids, Ints, Bytes, bool]:
    """Which row stands at each place when every trace is sorted by span id, the ids in that
    order, the end of each row, the odd bits, and whether every row is at its place already."""
    count = span_ids.size
    rows, ids, ends, odd = rooms(
        (count, np.int64), (count, np.uint64), (count, np.int64), (offsets.size - 1, np.uint8)
    )
    is_placed = _order(offsets, span_ids, starts, durations, rows, ids, ends, odd)
    return rows, ids, ends, odd, is_placed


@compiled(INTS, IDS, INTS, INTS, OUT, OUT_IDS, OUT, OUT_BYTES, allocates=True)
def _order(
    offsets: Ints,
    span_ids: Ids,
    starts: Ints,
    durations: Ints,
    rows: Ints,
    ids: Ids,
    ends: Ints,
    odd: Bytes,
) -> bool:
    is_placed = True
    for trace in range(offsets.size - 1):
        begin, end = offsets[trace], offsets[trace + 1]
        lowest, highest = 0, 0
        descents, repeats = 0, 0
        for i in range(begin, end):
            first = starts[i]
            # Wraps around as in `path_spans`.
            last = first + durations[i]
            if last < first and last >= 0 and first >= 0:
                last = first
            ends[i] = last
            lowest = min(lowest, first, last)
            highest = max(highest, first, last)
            rows[i], ids[i] = i, span_ids[i]
            if i > begin:
                descents += span_ids[i] < span_ids[i - 1]
                repeats += span_ids[i] == span_ids[i - 1]
        if descents:
            is_placed = False
            repeats = 0
            size = end - begin
            if size <= _FEW:
                # To count the smaller ones is quicker than any sort: no branch is guessed wrong.
                total = 0
                for i in range(begin, end):
                    own, place = span_ids[i], begin
                    for j in range(begin, end):
                        place += span_ids[j] < own
                    rows[place], ids[place] = i, own
                    total += place - begin
                repeats = 2 * total != size * (size - 1)
            if size > _FEW or repeats:
                rows[begin:end] = begin + np.argsort(span_ids[begin:end])
                for i in range(begin, end):
                    ids[i] = span_ids[rows[i]]
                    repeats += i > begin and ids[i] == ids[i - 1]
        odd[trace] = (REPEATED_ID if repeats else 0) | (
            FAR_TIME if lowest < 0 or highest > FARTHEST_UNIX_NANO else 0
        )
    return is_placed


def placed(
    rows: Ints,
    parent_ids: Ids,
    starts: Ints,
    ends: Ints,
    kinds: Codes,
    statuses: Codes,
    services: Codes,
    names: Codes,
    peers: Codes,
    is_resent: Bytes,
) -> list[npt.NDArray[Any]]:
    """These columns with `rows[i]` at place i, all at once: rows of one place lie together."""
    columns = (parent_ids, starts, ends, kinds, statuses, services, names, peers, is_resent)
    made = rooms(*((rows.size, column.dtype.type) for column in columns))
    _place(rows, *columns, *made)
    return made


@compiled(
    INTS, IDS, INTS, INTS, CODES, CODES, CODES, CODES, CODES, BYTES,
    OUT_IDS, OUT, OUT, OUT_CODES, OUT_CODES, OUT_CODES, OUT_CODES, OUT_CODES, OUT_BYTES,
)  # fmt: skip
def _place(
    rows: Ints,
    parent_ids: Ids,
    starts: Ints,
    ends: Ints,
    kinds: Codes,
    statuses: Codes,
    services: Codes,
    names: Codes,
    peers: Codes,
    is_resent: Bytes,
    out_parents: Ids,
    out_starts: Ints,
    out_ends: Ints,
    out_kinds: Codes,
    out_statuses: Codes,
    out_services: Codes,
    out_names: Codes,
    out_peers: Codes,
    out_resent: Bytes,
) -> None:
    for i in range(rows.size):
        row = rows[i]
        out_parents[i] = parent_ids[row]
        out_starts[i] = starts[row]
        out_ends[i] = ends[row]
        out_kinds[i] = kinds[row]
        out_statuses[i] = statuses[row]
        out_services[i] = services[row]
        out_names[i] = names[row]
        out_peers[i] = peers[row]
        out_resent[i] = is_resent[row]
