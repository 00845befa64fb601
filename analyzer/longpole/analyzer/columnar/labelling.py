"""Labels: what the owners of all path segments of a batch were doing, in compiled loops.

The same partition as `labels.labelled` gives for one trace. Peers are numbers: a service code,
or `service_count` plus the code of a peer that attributes name; -1 is none.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from longpole.analyzer.columnar.forest import Forest
from longpole.analyzer.columnar.rooms import rooms
from longpole.analyzer.columnar.walking import Walks
from longpole.analyzer.labels import Label
from longpole.model.compiling import (
    BYTES,
    CODES,
    INT,
    INTS,
    OUT,
    OUT_BYTES,
    OUT_CODES,
    OUT_ROWS,
    PAIRS,
    compiled,
    inlined,
)
from longpole.model.span import SpanKind

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]

LABELS = tuple(Label)
_SELF, _OVERLAPPED, _REQUEST, _RESPONSE, _WAIT, _BACKOFF = (
    LABELS.index(label)
    for label in (
        Label.SELF, Label.SELF_OVERLAPPED, Label.NET_REQUEST, Label.NET_RESPONSE,
        Label.NET_WAIT, Label.BACKOFF,
    )
)  # fmt: skip
_FEW = 24  # as many are sorted by insertion
_CLIENT, _SERVER, _PRODUCER = int(SpanKind.CLIENT), int(SpanKind.SERVER), int(SpanKind.PRODUCER)


class LabelledSegments(NamedTuple):
    """Segments of trace t: `offsets[t]` to `offsets[t + 1]`, ascending and contiguous.
    `labels` are places in `LABELS`. `ambiguous_ns` is per trace, `critical_ns` per span."""

    offsets: Ints
    owners: Ints
    labels: Bytes
    starts: Ints
    ends: Ints
    peers: Ints
    ambiguous_ns: Ints
    critical_ns: Ints


def label_all(
    forest: Forest,
    walks: Walks,
    services: Codes,
    kinds: Codes,
    peers: Codes,
    service_count: int,
    pauses: dict[int, list[tuple[int, int]]],
    eps_ns: int,
) -> LabelledSegments:
    """Split the segments of every walk where the label changes. `peers` has what `peer_of`
    finds, as codes; `pauses` the merged gaps between attempts, by span."""
    waiting = np.array(sorted(pauses), np.int64)
    sizes = [len(pauses[i]) for i in waiting.tolist()]
    first_pause = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    flat = [edge for i in waiting.tolist() for gap in pauses[i] for edge in gap]
    gaps = np.array(flat, np.int64).reshape(-1, 2)
    # Bounds for everything beforehand: arrays that may be replaced make these loops twice as
    # slow. A child beside the path, or a pause, adds two borders between labels at the most.
    count, traces = services.size, walks.segment_offsets.size - 1
    covers = count if eps_ns else walks.beside_count
    room = walks.owners.size + 2 * covers + 2 * gaps.shape[0]
    most = int(np.diff(walks.segment_offsets).max(initial=0))
    (
        offsets, out_owner, out_label, out_start, out_end, out_peer, ambiguous, critical,
        caller_of, cover_low, cover_high, callers,
    ) = rooms(
        (traces + 1, np.int64), (room, np.int64), (room, np.uint8), (room, np.int64),
        (room, np.int64), (room, np.int64), (traces, np.int64), (count, np.int64),
        (count, np.int32), (covers, np.int64), (covers, np.int64), (7 * most, np.int64),
    )  # fmt: skip
    critical[:] = 0
    caller_of[:] = -1
    caller_of[waiting] = -2 - np.arange(waiting.size)
    filled = _label(
        walks.segment_offsets, walks.owners, walks.starts, walks.ends, walks.first_beside,
        walks.next_beside, forest.low, forest.high, forest.is_detached, forest.first_child,
        forest.children, services, kinds, peers, service_count, first_pause, gaps, eps_ns,
        offsets, out_owner, out_label, out_start, out_end, out_peer, ambiguous, critical,
        caller_of, cover_low, cover_high, callers.reshape(7, -1),
    )  # fmt: skip
    return LabelledSegments(
        offsets, out_owner[:filled], out_label[:filled], out_start[:filled], out_end[:filled],
        out_peer[:filled], ambiguous, critical,
    )  # fmt: skip


@compiled(
    INTS, CODES, INTS, INTS, CODES, CODES, INTS, INTS, BYTES, CODES, CODES, CODES, CODES, CODES,
    INT, INTS, PAIRS, INT, OUT, OUT, OUT_BYTES, OUT, OUT, OUT, OUT, OUT, OUT_CODES, OUT, OUT,
    OUT_ROWS,
)  # fmt: skip
def _label(
    segment_offsets: Ints,
    path_owners: Codes,
    path_starts: Ints,
    path_ends: Ints,
    first_beside: Codes,
    next_beside: Codes,
    low: Ints,
    high: Ints,
    is_detached: Bytes,
    first_child: Codes,
    children: Codes,
    services: Codes,
    kinds: Codes,
    peers: Codes,
    service_count: int,
    first_pause: Ints,
    gaps: Ints,
    eps_ns: int,
    offsets: Ints,
    out_owner: Ints,
    out_label: Bytes,
    out_start: Ints,
    out_end: Ints,
    out_peer: Ints,
    ambiguous: Ints,
    critical: Ints,
    caller_of: Codes,
    cover_low: Ints,
    cover_high: Ints,
    callers: Ints,
) -> int:
    """Fill everything from `offsets` on and say how many segments there are now. `caller_of` has
    the place of an owner with children among the callers, once it was worked out; before, -1 or,
    of the owner whose pauses begin at `first_pause[n]`, -2 - n.
    `cover_low` and `cover_high` are for times in which children of a caller run beside the path:
    merged, ascending."""
    # Seven rows, which have an entry for each caller.
    plain, peer, server_start = callers[0], callers[1], callers[2]
    next_gap, last_gap, next_cover, last_cover = callers[3], callers[4], callers[5], callers[6]
    filled = 0
    for trace in range(segment_offsets.size - 1):
        offsets[trace] = filled
        ambiguous[trace] = 0
        caller_count: Any = 0
        cover_count: Any = 0
        for segment in range(segment_offsets[trace], segment_offsets[trace + 1]):
            owner: Any = np.int64(path_owners[segment])
            at, end = path_starts[segment], path_ends[segment]
            critical[owner] += end - at
            kind = kinds[owner]
            is_calling = kind in (_CLIENT, _PRODUCER)
            place: Any = np.int64(caller_of[owner])
            if first_child[owner] == first_child[owner + 1] or (
                not is_calling and place == -1 and first_beside[owner] < 0 and not eps_ns
            ):
                # As mostly: the segment stays whole, and no other of its owner is beside it.
                label, to = _SELF, -1
                if is_calling:
                    label = _WAIT
                    if peers[owner] >= 0:
                        to = service_count + peers[owner]
                out_owner[filled], out_label[filled], out_peer[filled] = owner, label, to
                out_start[filled], out_end[filled] = at, end
                filled += 1
                continue
            if place < 0:
                pauses = -2 - place
                place = caller_count
                caller_count += 1
                caller_of[owner] = place
                plain[place], peer[place], server_start[place] = _caller(
                    owner, low, high, is_detached, first_child, children, services, kinds,
                    peers, service_count,
                )  # fmt: skip
                next_gap[place], last_gap[place] = 0, 0
                if pauses >= 0:
                    next_gap[place] = first_pause[pauses]
                    last_gap[place] = first_pause[pauses + 1]
                next_cover[place] = cover_count
                if eps_ns or first_beside[owner] >= 0:
                    cover_count = _covered(
                        owner, low, high, is_detached, first_child, children, first_beside,
                        next_beside, eps_ns, cover_low, cover_high, cover_count,
                    )  # fmt: skip
                last_cover[place] = cover_count
            while at < end:
                # The next stretch with one label: covered, a pause, or plain.
                until, label, to = end, plain[place], peer[place]
                cover = next_cover[place]
                while cover < last_cover[place] and cover_high[cover] <= at:
                    cover += 1
                next_cover[place] = cover
                is_covered = False
                if cover < last_cover[place]:
                    if cover_low[cover] <= at:
                        is_covered = True
                        until = min(end, cover_high[cover])
                        label, to = _OVERLAPPED, -1
                    else:
                        until = min(end, cover_low[cover])
                if not is_covered:
                    # Before or after the server is decided for the whole stretch between
                    # covered ones, as no running child is in it.
                    if server_start[place] >= 0:
                        label = _REQUEST if until <= server_start[place] else _RESPONSE
                    gap = next_gap[place]
                    while gap < last_gap[place] and gaps[gap, 1] <= at:
                        gap += 1
                    next_gap[place] = gap
                    if gap < last_gap[place]:
                        if gaps[gap, 0] <= at:
                            until = min(until, gaps[gap, 1])
                            label, to = _BACKOFF, -1
                        else:
                            until = min(until, gaps[gap, 0])
                            if server_start[place] >= 0:
                                label = _REQUEST if until <= server_start[place] else _RESPONSE
                last = filled - 1
                if (
                    not is_covered
                    and last >= offsets[trace]
                    and out_owner[last] == owner
                    and out_label[last] == label
                    and out_peer[last] == to
                ):
                    out_end[last] = until
                else:
                    out_owner[filled] = owner
                    out_label[filled] = label
                    out_start[filled] = at
                    out_end[filled] = until
                    out_peer[filled] = to
                    filled += 1
                if is_covered:
                    ambiguous[trace] += until - at
                at = until
    offsets[segment_offsets.size - 1] = filled
    return filled


@inlined
def _caller(
    owner: int,
    low: Ints,
    high: Ints,
    is_detached: Bytes,
    first_child: Codes,
    children: Codes,
    services: Codes,
    kinds: Codes,
    peers: Codes,
    service_count: int,
) -> tuple[int, int, int]:
    """Label and peer of an owner's time alone, and where the one server it calls starts (-1
    for none); see `labels._Caller`."""
    kind = kinds[owner]
    if kind != _CLIENT and kind != _PRODUCER:
        return _SELF, -1, -1
    running, servers, server, other = 0, 0, -1, -1
    for place in range(first_child[owner], first_child[owner + 1]):
        child = children[place]
        if other < 0 and services[child] != services[owner]:
            other = child
        if is_detached[child] or low[child] >= high[child]:
            continue
        running += 1
        if kinds[child] == _SERVER:
            servers += 1
            server = child
    if not running:
        if peers[owner] >= 0:
            return _WAIT, service_count + peers[owner], -1
        return _WAIT, services[other] if other >= 0 else -1, -1
    if kind == _CLIENT and servers == 1:
        return _SELF, services[server], low[server]
    return _SELF, -1, -1


@inlined
def _covered(
    owner: int,
    low: Ints,
    high: Ints,
    is_detached: Bytes,
    first_child: Codes,
    children: Codes,
    first_beside: Codes,
    next_beside: Codes,
    eps_ns: int,
    cover_low: Ints,
    cover_high: Ints,
    count: int,
) -> int:
    """Append the merged times of the children that may run in the owner's own segments: those
    beside the path, and with a tolerance all of them. The number of entries then."""
    last = count
    if eps_ns:
        for place in range(first_child[owner], first_child[owner + 1]):
            child = children[place]
            if not is_detached[child] and low[child] < high[child]:
                cover_low[last], cover_high[last] = low[child], high[child]
                last += 1
    else:
        beside = first_beside[owner]
        while beside >= 0:
            if low[beside] < high[beside]:
                cover_low[last], cover_high[last] = low[beside], high[beside]
                last += 1
            beside = next_beside[beside]
    if last - count > _FEW:
        _sort_many(cover_low, cover_high, count, last)
    else:
        for i in range(count + 1, last):
            begin, stop, to = cover_low[i], cover_high[i], i
            while to > count and cover_low[to - 1] > begin:
                cover_low[to], cover_high[to] = cover_low[to - 1], cover_high[to - 1]
                to -= 1
            cover_low[to], cover_high[to] = begin, stop
    merged = count
    for i in range(count, last):
        if merged > count and cover_low[i] <= cover_high[merged - 1]:
            cover_high[merged - 1] = max(cover_high[merged - 1], cover_high[i])
            continue
        cover_low[merged], cover_high[merged] = cover_low[i], cover_high[i]
        merged += 1
    return merged


@compiled(OUT, OUT, INT, INT, allocates=True)
def _sort_many(cover_low: Ints, cover_high: Ints, begin: int, end: int) -> None:
    """Times of children by their start, in n log n."""
    order = np.argsort(cover_low[begin:end])
    cover_low[begin:end] = cover_low[begin:end][order]
    cover_high[begin:end] = cover_high[begin:end][order]
