"""Ordering: the spans of every trace of a batch by their ids, in compiled loops.

The same order as `repair` gives one trace at a time, where ids differ; a trace in which one
repeats is only marked as odd, as is one with times that 64 bits hardly hold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from longpole.analyzer.columnar.forest import FAR_TIME, FARTHEST_UNIX_NANO, REPEATED_ID
from longpole.model.compiling import BYTES, CODES, IDS, INTS, compiled

Ints = npt.NDArray[np.int64]
Ids = npt.NDArray[np.uint64]
Codes = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]

_FEW = 24  # as many are sorted by insertion


@compiled(INTS, IDS, INTS, INTS)
def id_order(offsets: Ints, span_ids: Ids, starts: Ints, ends: Ints) -> tuple[Ints, Ids, Bytes]:
    """Which row stands at each place when every trace is sorted by span id, the ids in that
    order, and the odd bits."""
    order = np.arange(span_ids.size)
    ids = span_ids.copy()
    odd = np.zeros(offsets.size - 1, np.uint8)
    for trace in range(offsets.size - 1):
        begin, end = offsets[trace], offsets[trace + 1]
        if end - begin <= _FEW:
            for i in range(begin + 1, end):
                held = ids[i]
                at = i
                while at > begin and ids[at - 1] > held:
                    ids[at], order[at] = ids[at - 1], order[at - 1]
                    at -= 1
                ids[at], order[at] = held, i
        else:
            for i in range(begin + 1, end):
                if ids[i] <= ids[i - 1]:
                    order[begin:end] = begin + np.argsort(span_ids[begin:end])
                    ids[begin:end] = span_ids[order[begin:end]]
                    break
        marks = 0
        for i in range(begin, end):
            if i > begin and ids[i] == ids[i - 1]:
                marks |= REPEATED_ID
            first, last = starts[i], ends[i]
            if min(first, last) < 0 or max(first, last) > FARTHEST_UNIX_NANO:
                marks |= FAR_TIME
        odd[trace] = marks
    return order, ids, odd


@compiled(INTS, IDS, INTS, INTS, CODES, CODES, CODES, CODES, CODES, BYTES)
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
) -> Any:
    """These columns with `rows[i]` at place i, all at once: rows of one place lie together."""
    count = rows.size
    out_parents = np.empty(count, np.uint64)
    out_starts, out_ends = np.empty(count, np.int64), np.empty(count, np.int64)
    out_kinds, out_statuses = np.empty(count, np.int32), np.empty(count, np.int32)
    out_services, out_names = np.empty(count, np.int32), np.empty(count, np.int32)
    out_peers, out_resent = np.empty(count, np.int32), np.empty(count, np.uint8)
    for i in range(count):
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
    return (
        out_parents, out_starts, out_ends, out_kinds, out_statuses, out_services, out_names,
        out_peers, out_resent,
    )  # fmt: skip
