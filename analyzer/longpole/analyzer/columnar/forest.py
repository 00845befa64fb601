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

from longpole.analyzer.critical_path import (
    DEFAULT_TAU_SHARE,
    SMALLEST_DEFAULT_TAU_NS,
    Overflow,
    PathOptions,
)
from longpole.model.compiling import CODES, FLAG, IDS, INT, INTS, OUT_BYTES, compiled, inlined
from longpole.model.span import SpanKind, StatusCode

Ints = npt.NDArray[np.int64]
Ids = npt.NDArray[np.uint64]
Codes = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]

# Reasons to leave a trace to the plain implementation.
REPEATED_ID, CYCLE, FAR_TIME = 1, 2, 4
# Beyond, sums of two times may not fit into 64 bits.
FARTHEST_UNIX_NANO = 1 << 62

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
    return Forest(
        *_build(offsets, span_ids, parent_ids, starts, ends, kinds, odd, is_detaching, tau_ns)
    )


@compiled(INTS, IDS, IDS, INTS, INTS, CODES, OUT_BYTES, FLAG, INT)
def _build(
    offsets: Ints,
    span_ids: Ids,
    parent_ids: Ids,
    starts: Ints,
    ends: Ints,
    kinds: Codes,
    odd: Bytes,
    is_detaching: bool,
    tau_ns: int,
) -> Any:
    count = span_ids.size
    trace_count = offsets.size - 1
    parents = np.full(count, -1, np.int32)
    primary = np.full(trace_count, -1, np.int64)
    is_headless = np.zeros(trace_count, np.uint8)
    orphans = np.zeros(trace_count, np.int64)
    detached = np.zeros(trace_count, np.int64)
    is_detached = np.zeros(count, np.uint8)
    first_child = np.zeros(count + 1, np.int32)
    for trace in range(trace_count):
        if odd[trace]:
            continue
        begin, end = offsets[trace], offsets[trace + 1]
        true_root, any_root = -1, -1
        for i in range(begin, end):
            wanted = parent_ids[i]
            found = -1
            if wanted:
                left, right = begin, end
                while left < right:
                    middle = (left + right) >> 1
                    if span_ids[middle] < wanted:
                        left = middle + 1
                    else:
                        right = middle
                if left < end and span_ids[left] == wanted:
                    found = left
                else:
                    orphans[trace] += 1
                if found == i:
                    odd[trace] |= CYCLE
                    break
            parents[i] = found
            if found >= 0:
                first_child[found + 1] += 1
                continue
            if any_root < 0 or _is_longer(starts, ends, i, any_root):
                any_root = i
            if not wanted and (true_root < 0 or _is_longer(starts, ends, i, true_root)):
                true_root = i
        primary[trace] = true_root if true_root >= 0 else any_root
        is_headless[trace] = true_root < 0 and any_root >= 0
    for i in range(count):
        first_child[i + 1] += first_child[i]
    children = np.empty(first_child[count], np.int32)
    filled = first_child[:-1].copy()
    for i in range(count):
        parent = parents[i]
        if parent >= 0:
            children[filled[parent]] = i
            filled[parent] += 1
    low, high = starts.copy(), ends.copy()
    queue = np.empty(count, np.int32)
    for trace in range(trace_count):
        if odd[trace]:
            primary[trace] = -1
            continue
        begin, end = offsets[trace], offsets[trace + 1]
        tail = begin
        for i in range(begin, end):
            if parents[i] < 0:
                queue[tail] = i
                tail += 1
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
            primary[trace] = -1
    return (
        parents, low, high, is_detached, first_child, children, odd, primary, is_headless,
        orphans, detached,
    )  # fmt: skip


@inlined
def _is_longer(starts: Ints, ends: Ints, one: int, other: int) -> Any:
    """Whether a root comes before an earlier numbered one: longer, or as long and earlier."""
    mine, theirs = ends[one] - starts[one], ends[other] - starts[other]
    return mine > theirs or (mine == theirs and starts[one] < starts[other])
