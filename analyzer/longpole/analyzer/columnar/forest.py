"""Forests: order, parents, children and windows of all spans of a batch, in compiled loops.

The same answers as `repair`, `tree` and `critical_path.windows` give one trace at a time. Spans
of a batch are numbered through; trace t holds the spans `offsets[t]` to `offsets[t + 1]`, which
`ordering` brought into the order of their ids. Traces with repeated ids, cycles or times that
64 bits hardly hold are only marked as odd.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from longpole.analyzer.columnar.rooms import rooms
from longpole.analyzer.critical_path import (
    DEFAULT_TAU_SHARE,
    SMALLEST_DEFAULT_TAU_NS,
    Overflow,
    PathOptions,
)
from longpole.model.compiling import (
    CODES,
    FLAG,
    IDS,
    INT,
    INTS,
    OUT,
    OUT_BYTES,
    OUT_CODES,
    compiled,
    inlined,
)
from longpole.model.span import SpanKind, StatusCode

Ints = npt.NDArray[np.int64]
Ids = npt.NDArray[np.uint64]
Codes = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]

# Reasons to leave a trace to the plain implementation.
REPEATED_ID, CYCLE, FAR_TIME = 1, 2, 4
# Beyond, sums of two times may not fit into 64 bits.
FARTHEST_UNIX_NANO = 1 << 62
_FEW = 32  # of as many spans each is compared with each to find parents

_PRODUCER, _CONSUMER = int(SpanKind.PRODUCER), int(SpanKind.CONSUMER)
_ERROR = int(StatusCode.ERROR)


class Forest(NamedTuple):
    """Per span: `parents` (-1 for roots), `low` and `high` (its window), `is_detached`.
    `children[first_child[i]:first_child[i + 1]]` are the children of span i, ascending. Per
    trace: `odd` (bits, 0 for a trace that the compiled loops explain), `primary` (-1 when odd
    or empty), `is_headless`, `orphans`, `detached`."""

    parents: Codes
    low: Ints
    high: Ints
    is_detached: Bytes
    first_child: Codes
    children: Codes
    odd: Bytes
    primary: Ints
    is_headless: Bytes
    orphans: Ints
    detached: Ints


def build_forest(
    offsets: Ints,
    span_ids: Ids,
    parent_ids: Ids,
    starts: Ints,
    ends: Ints,
    kinds: Codes,
    odd: Bytes,
    options: PathOptions,
) -> Forest:
    """The forest of spans in id order; `odd` as `ordering.id_order` gave it."""
    tau_ns = -1 if options.tau_ns is None else min(options.tau_ns, FARTHEST_UNIX_NANO)
    is_detaching = options.overflow is Overflow.DETACH
    count, traces = span_ids.size, offsets.size - 1
    made = rooms(
        (count, np.int32), (count, np.int64), (count, np.int64), (count, np.uint8),
        (count + 1, np.int32), (count, np.int32), (traces, np.uint8), (traces, np.int64),
        (traces, np.uint8), (traces, np.int64), (traces, np.int64), (count, np.int32),
    )  # fmt: skip
    made[6][:] = odd
    _build(offsets, span_ids, parent_ids, starts, ends, kinds, is_detaching, tau_ns, *made)
    forest = Forest(*made[:-1])
    return forest._replace(children=forest.children[: int(forest.first_child[count])])


@compiled(
    INTS, IDS, IDS, INTS, INTS, CODES, FLAG, INT, OUT_CODES, OUT, OUT, OUT_BYTES, OUT_CODES,
    OUT_CODES, OUT_BYTES, OUT, OUT_BYTES, OUT, OUT, OUT_CODES,
)  # fmt: skip
def _build(
    offsets: Ints,
    span_ids: Ids,
    parent_ids: Ids,
    starts: Ints,
    ends: Ints,
    kinds: Codes,
    is_detaching: bool,
    tau_ns: int,
    parents: Codes,
    low: Ints,
    high: Ints,
    is_detached: Bytes,
    first_child: Codes,
    children: Codes,
    odd: Bytes,
    primary: Ints,
    is_headless: Bytes,
    orphans: Ints,
    detached: Ints,
    queue: Codes,
) -> None:
    """Fill everything from `parents` on; `queue` has room for each span."""
    child_count = 0
    for trace in range(offsets.size - 1):
        begin, end = offsets[trace], offsets[trace + 1]
        primary[trace], is_headless[trace] = -1, 0
        orphans[trace], detached[trace] = 0, 0
        for i in range(begin, end):
            parents[i], low[i], high[i] = -1, starts[i], ends[i]
            is_detached[i], first_child[i] = 0, 0
        if not odd[trace]:
            orphans[trace] = _find_parents(begin, end, span_ids, parent_ids, parents)
            for i in range(begin, end):
                if parents[i] == i:
                    odd[trace] |= CYCLE
        if odd[trace]:
            for i in range(begin, end):
                first_child[i] = child_count
            continue
        # Where the children of each span begin; while they are put there, where they end.
        true_root, any_root = -1, -1
        tail = begin
        for i in range(begin, end):
            parent = parents[i]
            if parent >= 0:
                first_child[parent] += 1
                continue
            queue[tail] = i
            tail += 1
            if any_root < 0 or _is_longer(starts, ends, i, any_root):
                any_root = i
            if not parent_ids[i] and (true_root < 0 or _is_longer(starts, ends, i, true_root)):
                true_root = i
        for i in range(begin, end):
            child_count += first_child[i]
            first_child[i] = child_count
        for back in range(begin, end):
            i = begin + end - 1 - back
            parent = parents[i]
            if parent >= 0:
                first_child[parent] -= 1
                children[first_child[parent]] = i
        first_child[end] = child_count
        head = begin
        while head < tail:
            index = queue[head]
            head += 1
            if first_child[index] == first_child[index + 1]:
                continue
            lo, hi = low[index], high[index]
            tau = tau_ns
            if tau < 0:
                tau = max(SMALLEST_DEFAULT_TAU_NS, (hi - lo) // DEFAULT_TAU_SHARE)
            for place in range(first_child[index], first_child[index + 1]):
                child = children[place]
                queue[tail] = child
                tail += 1
                start, stop = starts[child], ends[child]
                if (
                    (kinds[index] == _PRODUCER and kinds[child] == _CONSUMER)
                    or ((start >= hi or stop <= lo) and (start != stop or start > hi or stop < lo))
                    or (is_detaching and stop - hi > tau)
                ):
                    is_detached[child] = 1
                    detached[trace] += 1
                    continue
                if start < lo:
                    low[child] = lo
                if stop > hi:
                    high[child] = hi
        if tail < end:
            odd[trace] |= CYCLE
            continue
        primary[trace] = true_root if true_root >= 0 else any_root
        is_headless[trace] = true_root < 0 and any_root >= 0
    first_child[span_ids.size] = child_count


@inlined
def _find_parents(begin: int, end: int, span_ids: Ids, parent_ids: Ids, parents: Codes) -> int:
    """Fill `parents` with the place of each parent, -1 without; how many are not there."""
    lost = 0
    if end - begin <= _FEW:
        for i in range(begin, end):
            wanted, found = parent_ids[i], -1
            # Quicker than a search by halves, whose every branch may be guessed wrong.
            for j in range(begin, end):
                found = j if span_ids[j] == wanted else found
            found = found if wanted else -1
            lost += found < 0 and wanted != 0
            parents[i] = found
        return lost
    for i in range(begin, end):
        wanted = parent_ids[i]
        if not wanted:
            continue
        left, right = begin, end
        while left < right:
            middle = (left + right) >> 1
            if span_ids[middle] < wanted:
                left = middle + 1
            else:
                right = middle
        if left < end and span_ids[left] == wanted:
            parents[i] = left
        else:
            lost += 1
    return lost


@inlined
def _is_longer(starts: Ints, ends: Ints, one: int, other: int) -> Any:
    """Whether a root comes before an earlier numbered one: longer, or as long and earlier."""
    mine, theirs = ends[one] - starts[one], ends[other] - starts[other]
    return mine > theirs or (mine == theirs and starts[one] < starts[other])
