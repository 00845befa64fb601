"""Walks: the critical paths of all traces of a batch, in compiled loops.

The same segments as `critical_path.walk` gives for each primary root, with the call path of
every visited span: a number that is the same for equal chains of (service, operation).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from longpole.analyzer.columnar.forest import Forest
from longpole.analyzer.columnar.rooms import rooms
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
    `first_beside` on along `next_beside` (-1 ends it); `beside_count` of them in all. Row n of
    `nodes` is call path n: the one above it (-1 at a root), service, name. `retrying` are the
    visited spans whose calls may be attempts at the same thing."""

    segment_offsets: Ints
    owners: Codes
    starts: Ints
    ends: Ints
    node: Codes
    first_beside: Codes
    next_beside: Codes
    beside_count: int
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
    count, traces = services.size, offsets.size - 1
    largest = int(np.diff(offsets).max(initial=0))
    # Bounds for everything beforehand, since arrays that may be replaced make loops slow. Each
    # visit adds its own time at most once more than it has children on the path.
    segments = 2 * count + 1
    (
        segment_offsets, owners, starts, ends, node, first_beside, next_beside, flat_nodes,
        retrying, candidates, flat_frames,
    ) = rooms(
        (traces + 1, np.int64), (segments, np.int32), (segments, np.int64), (segments, np.int64),
        (count, np.int32), (count, np.int32), (count, np.int32), (3 * count, np.int64),
        (count, np.int64), (count, np.int32), (6 * largest + 6, np.int64),
    )  # fmt: skip
    nodes = flat_nodes.reshape(-1, 3)
    first, node_count, retrying_count, beside_count = _walk(
        forest.primary, forest.low, forest.high, forest.is_detached, forest.first_child,
        forest.children, services, names, kinds, statuses, peers, is_resent, eps_ns, offsets,
        segment_offsets, owners, starts, ends, node, first_beside, next_beside, nodes, retrying,
        candidates, flat_frames.reshape(-1, 6),
    )  # fmt: skip
    return Walks(
        segment_offsets, owners[first:], starts[first:], ends[first:], node, first_beside,
        next_beside, beside_count, nodes[:node_count].copy(), retrying[:retrying_count].copy(),
    )  # fmt: skip


@compiled(
    INTS, INTS, INTS, BYTES, CODES, CODES, CODES, CODES, CODES, CODES, CODES, BYTES, INT, INTS,
    OUT, OUT_CODES, OUT, OUT, OUT_CODES, OUT_CODES, OUT_CODES, OUT_ROWS, OUT, OUT_CODES, OUT_ROWS,
    allocates=True,
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
    offsets: Ints,
    owners: Codes,
    starts: Ints,
    ends: Ints,
    node: Codes,
    first_beside: Codes,
    next_beside: Codes,
    nodes: Ints,
    retrying: Ints,
    candidates: Codes,
    frames: Ints,
) -> tuple[int, int, int, int]:
    """`critical_path.walk` of every primary root. It finds the latest segment first, so the
    traces are taken from the last to the first, and segments are filled in from the end: they
    stand from the first number given back. The other numbers count call paths, `retrying`, and
    children beside the path.

    What a span on the way down holds: the span, where its part begins and ends, the instant down
    to which time is given away, and the next and last of its candidates, which stand, sorted,
    where its children do.
    """
    node_count, retrying_count, beside_count = 0, 0, 0
    table = np.full(1024, -1, np.int64)
    filled = owners.size
    offsets[primary.size] = filled
    for back in range(primary.size):
        trace = primary.size - 1 - back
        size = trace_offsets[trace + 1] - trace_offsets[trace]
        for i in range(trace_offsets[trace], trace_offsets[trace + 1]):
            node[i], first_beside[i], next_beside[i] = -1, -1, -1
        if primary[trace] < 0:
            offsets[trace] = filled
            continue
        if (node_count + size) * 2 > table.size:
            table = _grown(table, nodes, node_count, size)
        index: Any = primary[trace]
        lo, hi = low[index], high[index]
        node[index] = _node(table, nodes, node_count, -1, services[index], names[index])
        node_count += node[index] == node_count
        depth = 0
        is_new = True
        t: Any = hi
        at: Any = 0
        last: Any = 0
        while True:
            if is_new:
                begin: Any = np.int64(first_child[index])
                end: Any = np.int64(first_child[index + 1])
                t, at, last = hi, begin, begin
                calls, doubts = 0, 0
                for place in range(begin, end):
                    child = np.int64(children[place])
                    if is_detached[child]:
                        continue
                    if max(low[child], lo) < min(high[child], hi):
                        candidates[last] = child
                        last += 1
                    is_call = kinds[child] == _CLIENT
                    calls += is_call
                    doubts += is_call & ((statuses[child] == _ERROR) | (is_resent[child] != 0))
                if last - at > _FEW:
                    _sort_many(candidates, at, last, low, high, lo, hi)
                elif last - at > 1:
                    _sort_few(candidates, at, last, low, high, lo, hi)
                if (
                    doubts
                    and calls > 1
                    and _is_retrying(
                        begin, end, children, is_detached, services, names, kinds, statuses,
                        peers, is_resent,
                    )
                ):  # fmt: skip
                    retrying[retrying_count] = index
                    retrying_count += 1
            is_new = False
            while t > lo and at < last:
                child = np.int64(candidates[at])
                at += 1
                start, stop = max(low[child], lo), min(high[child], hi)
                if stop - t > eps_ns or start >= t:
                    next_beside[child] = first_beside[index]
                    first_beside[index] = child
                    beside_count += 1
                    continue
                stop = min(stop, t)
                if stop < t:
                    filled -= 1
                    owners[filled], starts[filled], ends[filled] = index, stop, t
                t = start
                above: Any = np.int64(node[index])
                own = _node(table, nodes, node_count, above, services[child], names[child])
                node_count += own == node_count
                node[child] = own
                if first_child[child] == first_child[child + 1]:
                    filled -= 1
                    owners[filled], starts[filled], ends[filled] = child, start, stop
                    continue
                frames[depth, 0], frames[depth, 1], frames[depth, 2] = index, lo, hi
                frames[depth, 3], frames[depth, 4], frames[depth, 5] = t, at, last
                depth += 1
                index, lo, hi = child, start, stop
                is_new = True
                break
            if is_new:
                continue
            if t > lo:
                filled -= 1
                owners[filled], starts[filled], ends[filled] = index, lo, t
            if not depth:
                break
            depth -= 1
            index, lo, hi = frames[depth, 0], frames[depth, 1], frames[depth, 2]
            t, at, last = frames[depth, 3], frames[depth, 4], frames[depth, 5]
        offsets[trace] = filled
    for trace in range(primary.size + 1):
        offsets[trace] -= filled
    return filled, node_count, retrying_count, beside_count


@compiled(INT, INT, CODES, BYTES, CODES, CODES, CODES, CODES, CODES, BYTES)
def _is_retrying(
    begin: int,
    end: int,
    children: Codes,
    is_detached: Bytes,
    services: Codes,
    names: Codes,
    kinds: Codes,
    statuses: Codes,
    peers: Codes,
    is_resent: Bytes,
) -> bool:
    """Whether a call that failed or repeats another is among these children, and a second one of
    the same service and name to the same peer. Many calls are not compared: that would take a
    time that grows with their square."""
    if end - begin > _FEW:
        return True
    for place in range(begin, end):
        child = children[place]
        if kinds[child] != _CLIENT or is_detached[child]:
            continue
        if statuses[child] != _ERROR and not is_resent[child]:
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
                return True
    return False


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


@compiled(OUT_CODES, INT, INT, INTS, INTS, INT, INT, allocates=True)
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


@compiled(OUT, OUT_ROWS, INT, INT, allocates=True)
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
