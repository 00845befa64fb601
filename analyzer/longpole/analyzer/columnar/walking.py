"""Walks: the critical paths of all traces of a batch, in compiled loops.

The same segments as `critical_path.walk` gives for each primary root, with the call path of
every visited span: a number that is the same for equal chains of (service, operation).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from longpole.analyzer.columnar.forest import Forest
from longpole.model.compiling import (
    BYTES,
    CODES,
    INT,
    INTS,
    OUT,
    OUT_CODES,
    OUT_ROWS,
    compiled,
    inlined,
)
from longpole.model.span import SpanKind, StatusCode

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]

_CLIENT = int(SpanKind.CLIENT)
_ERROR = int(StatusCode.ERROR)
_FEW = 24  # as many are sorted by insertion, or compared each with each


class Walks(NamedTuple):
    """Segments `segment_offsets[t]` to `segment_offsets[t + 1]` are those of trace t, ascending
    and contiguous: `owners`, `starts`, `ends`. Per span: `node` (its call path, -1 off the
    path), and a chain of the blocking children that the path does not run through, from
    `first_beside` on along `next_beside` (-1 ends it). Row n of `nodes` is call path n: the one
    above it (-1 at a root), service, name. `retrying` are the visited spans whose calls may be
    attempts at the same thing."""

    segment_offsets: Ints
    owners: Codes
    starts: Ints
    ends: Ints
    node: Codes
    first_beside: Codes
    next_beside: Codes
    nodes: Ints
    retrying: Ints


def walk_all(
    forest: Forest,
    offsets: Ints,
    services: Codes,
    names: Codes,
    kinds: Codes,
    statuses: Codes,
    peers: Codes,
    is_resent: Bytes,
    eps_ns: int,
) -> Walks:
    """The walk of every trace's primary root; odd traces have no segments."""
    return Walks(
        *_walk(
            forest.primary, forest.low, forest.high, forest.is_detached, forest.first_child,
            forest.children, services, names, kinds, statuses, peers, is_resent, eps_ns,
            offsets,
        )
    )  # fmt: skip


@compiled(
    INTS, INTS, INTS, BYTES, CODES, CODES, CODES, CODES, CODES, CODES, CODES, BYTES, INT, INTS
)  # fmt: skip
def _walk(
    primary: Ints,
    low: Ints,
    high: Ints,
    is_detached: Bytes,
    first_child: Codes,
    children: Codes,
    services: Codes,
    names: Codes,
    kinds: Codes,
    statuses: Codes,
    peers: Codes,
    is_resent: Bytes,
    eps_ns: int,
    trace_offsets: Ints,
) -> Any:
    """`critical_path.walk` of every primary root. A frame has a span, where its part begins and
    ends, the instant down to which time is given away, and the next and last of its candidates."""
    count = low.size
    # Bounds for everything beforehand, since arrays that may be replaced make loops slow; what
    # is not used of them costs no memory. Each visit adds its own time at most once more than
    # it has children on the path.
    owners = np.empty(2 * count + 1, np.int32)
    starts = np.empty(2 * count + 1, np.int64)
    ends = np.empty(2 * count + 1, np.int64)
    offsets = np.zeros(primary.size + 1, np.int64)
    first_beside = np.full(count, -1, np.int32)
    next_beside = np.full(count, -1, np.int32)
    node = np.full(count, -1, np.int32)
    nodes = np.empty((count, 3), np.int64)
    node_count = 0
    table = np.full(1024, -1, np.int64)
    # Candidates of a visited span stand, sorted, where its children do.
    candidates = np.empty(children.size, np.int32)
    largest = 0
    for trace in range(primary.size):
        largest = max(largest, trace_offsets[trace + 1] - trace_offsets[trace])
    frames = np.empty((largest + 1, 6), np.int64)
    filled = 0
    for trace in range(primary.size):
        offsets[trace] = filled
        if primary[trace] < 0:
            continue
        size = trace_offsets[trace + 1] - trace_offsets[trace]
        if (node_count + size) * 2 > table.size:
            table = _grown(table, nodes, node_count, size)
        first = filled
        index: Any = primary[trace]
        lo, hi = low[index], high[index]
        node[index] = _node(table, nodes, node_count, -1, services[index], names[index])
        node_count += node[index] == node_count
        depth = 0
        while True:
            begin = first_child[index]
            last: Any = begin
            for place in range(begin, first_child[index + 1]):
                child = children[place]
                if not is_detached[child] and max(low[child], lo) < min(high[child], hi):
                    candidates[last] = child
                    last += 1
            if last == begin:
                if lo < hi:
                    owners[filled], starts[filled], ends[filled] = index, lo, hi
                    filled += 1
            else:
                if last - begin > _FEW:
                    _sort_many(candidates, begin, last, low, high, lo, hi)
                elif last - begin > 1:
                    _sort_few(candidates, begin, last, low, high, lo, hi)
                frames[depth, 0], frames[depth, 1], frames[depth, 2] = index, lo, hi
                frames[depth, 3], frames[depth, 4], frames[depth, 5] = hi, begin, last
                depth += 1
            is_deeper = False
            while depth and not is_deeper:
                top = depth - 1
                owner, floor, ceiling = frames[top, 0], frames[top, 1], frames[top, 2]
                t, at, last = frames[top, 3], frames[top, 4], frames[top, 5]
                while t > floor and at < last:
                    child = candidates[at]
                    at += 1
                    start = max(low[child], floor)
                    stop = min(high[child], ceiling)
                    if stop - t > eps_ns or start >= t:
                        next_beside[child] = first_beside[owner]
                        first_beside[owner] = child
                        continue
                    stop = min(stop, t)
                    if stop < t:
                        owners[filled], starts[filled], ends[filled] = owner, stop, t
                        filled += 1
                    t = start
                    above = node[owner]
                    own = _node(table, nodes, node_count, above, services[child], names[child])
                    node_count += own == node_count
                    node[child] = own
                    if first_child[child] == first_child[child + 1]:
                        owners[filled], starts[filled], ends[filled] = child, start, stop
                        filled += 1
                        continue
                    frames[top, 3], frames[top, 4] = t, at
                    index, lo, hi = child, start, stop
                    is_deeper = True
                    break
                if not is_deeper:
                    if t > floor:
                        owners[filled], starts[filled], ends[filled] = owner, floor, t
                        filled += 1
                    depth -= 1
            if not is_deeper:
                break
        one, other = first, filled - 1
        while one < other:
            owners[one], owners[other] = owners[other], owners[one]
            starts[one], starts[other] = starts[other], starts[one]
            ends[one], ends[other] = ends[other], ends[one]
            one += 1
            other -= 1
    offsets[primary.size] = filled
    return (
        offsets, owners[:filled], starts[:filled], ends[:filled], node, first_beside,
        next_beside, nodes[:node_count].copy(),
        _retrying(
            node, is_detached, first_child, children, services, names, kinds, statuses, peers,
            is_resent
        ),
    )  # fmt: skip


@compiled(CODES, BYTES, CODES, CODES, CODES, CODES, CODES, CODES, CODES, BYTES)
def _retrying(
    node: Codes,
    is_detached: Bytes,
    first_child: Codes,
    children: Codes,
    services: Codes,
    names: Codes,
    kinds: Codes,
    statuses: Codes,
    peers: Codes,
    is_resent: Bytes,
) -> Ints:
    """The visited spans that make a call which failed or repeats another, and a second one of
    the same service and name to the same peer. Many calls are not compared: that would take a
    time that grows with their square."""
    found = np.empty(node.size, np.int64)
    count = 0
    for index in range(node.size):
        begin, end = first_child[index], first_child[index + 1]
        if node[index] < 0 or end - begin < 2:
            continue
        clients, is_retrying = 0, False
        for place in range(begin, end):
            child = children[place]
            if kinds[child] != _CLIENT or is_detached[child]:
                continue
            clients += 1
            if is_retrying or (statuses[child] != _ERROR and not is_resent[child]):
                continue
            if end - begin > _FEW:
                is_retrying = True
                continue
            for beside in range(begin, end):
                other = children[beside]
                if (
                    other != child
                    and names[other] == names[child]
                    and services[other] == services[child]
                    and peers[other] == peers[child]
                    and kinds[other] == _CLIENT
                    and not is_detached[other]
                ):
                    is_retrying = True
                    break
        if clients > 1 and is_retrying:
            found[count] = index
            count += 1
    return found[:count].copy()


@inlined
def _sort_few(
    candidates: Codes, begin: int, end: int, low: Ints, high: Ints, lo: int, hi: int
) -> None:
    """By latest end, then earliest start, then index, all within [lo, hi)."""
    for i in range(begin + 1, end):
        held = candidates[i]
        stop, start = min(high[held], hi), max(low[held], lo)
        at = i
        while at > begin:
            other = candidates[at - 1]
            other_stop = min(high[other], hi)
            if other_stop > stop or (other_stop == stop and max(low[other], lo) <= start):
                break
            candidates[at] = other
            at -= 1
        candidates[at] = held


@compiled(OUT_CODES, INT, INT, INTS, INTS, INT, INT)
def _sort_many(
    candidates: Codes, begin: int, end: int, low: Ints, high: Ints, lo: int, hi: int
) -> None:
    """The same in n log n."""
    size = end - begin
    keys = np.empty(size, np.int64)
    for i in range(size):
        keys[i] = -min(high[candidates[begin + i]], hi)
    order = np.argsort(keys, kind="mergesort")
    held_all = candidates[begin:end].copy()
    run = 0
    while run < size:
        after = run + 1
        while after < size and keys[order[after]] == keys[order[run]]:
            after += 1
        if after - run > 1:
            starts = np.empty(after - run, np.int64)
            for i in range(run, after):
                starts[i - run] = max(low[held_all[order[i]]], lo)
            order[run:after] = order[run:after][np.argsort(starts, kind="mergesort")]
        run = after
    for i in range(size):
        candidates[begin + i] = held_all[order[i]]


@inlined
def _node(table: Ints, nodes: Ints, node_count: int, above: int, service: int, name: int) -> Any:
    """The number of this call path, `node_count` when it is new; the caller has made room."""
    slot = _slot(above, service, name) & (table.size - 1)
    while table[slot] >= 0:
        known = nodes[table[slot]]
        if known[0] == above and known[1] == service and known[2] == name:
            return table[slot]
        slot = (slot + 1) & (table.size - 1)
    table[slot] = node_count
    nodes[node_count, 0] = above
    nodes[node_count, 1] = service
    nodes[node_count, 2] = name
    return node_count


@compiled(OUT, OUT_ROWS, INT, INT)
def _grown(table: Ints, nodes: Ints, node_count: int, more: int) -> Ints:
    """A table with room for so many more, at most half full."""
    size = table.size
    while (node_count + more) * 2 > size:
        size *= 2
    wider = np.full(size, -1, np.int64)
    for number in range(node_count):
        slot = _slot(nodes[number, 0], nodes[number, 1], nodes[number, 2]) & (size - 1)
        while wider[slot] >= 0:
            slot = (slot + 1) & (size - 1)
        wider[slot] = number
    return wider


@inlined
def _slot(above: int, service: int, name: int) -> Any:
    mixed = np.uint64(above + 1) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= np.uint64(service + 1) * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed ^= np.uint64(name + 1) * np.uint64(0x165667B19E3779F9)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return np.int64(mixed >> np.uint64(33))
