"""Labels: what the owner of a path segment was doing, as far as span times can tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import heappop, heappush
from typing import NamedTuple, TypeAlias

from longpole.analyzer.calls import peer_of
from longpole.analyzer.critical_path import RawPath, Windows
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.retries import may_have_retries, retries
from longpole.analyzer.tree import SpanTree
from longpole.model.span import SpanKind

_CLIENT, _SERVER = int(SpanKind.CLIENT), int(SpanKind.SERVER)
_CALLING = (_CLIENT, int(SpanKind.PRODUCER))
# How many covering spans a segment names; `covering_count` is always the full number. Without
# a bound, many gaps under many parallel children would take quadratic space.
NAMED_COVERING = 100


class Label(StrEnum):
    """Why a span owns a segment."""

    SELF = "self"  # none of its children ran
    SELF_OVERLAPPED = "self_overlapped"  # children ran beside the path: it or they, unknowable
    NET_REQUEST = "net_request"  # a call on its way to the server span
    NET_RESPONSE = "net_response"  # the answer on its way back
    NET_WAIT = "net_wait"  # a call to something that sends no spans
    BACKOFF = "backoff"  # between a failed attempt and the next, where nothing else runs
    QUEUE = "queue"  # between a producer and its consumer; on causal paths only


# Looking a member up at its class takes longer than the rest of a row.
_SELF, _OVERLAPPED, _WAIT, _BACKOFF = (
    Label.SELF, Label.SELF_OVERLAPPED, Label.NET_WAIT, Label.BACKOFF,
)  # fmt: skip
_REQUEST, _RESPONSE = Label.NET_REQUEST, Label.NET_RESPONSE

# Until when a span's own time has the first label, that label, the one afterwards, and the peer.
_Edge: TypeAlias = tuple[int, Label, Label, str | None]
_OWN_WORK: _Edge = (0, _SELF, _SELF, None)
# The children that run in a stretch (as many as are named), and their full number.
_Running: TypeAlias = tuple[tuple[int, ...], int]


class PathSegment(NamedTuple):
    """A part of the path, half-open, in Unix nanoseconds. `span` and `covering` are indices.

    `peer` names the callee of `net_*`; `covering` the children behind `self_overlapped`.
    """

    span: int
    label: Label
    start_unix_nano: int
    end_unix_nano: int
    peer: str | None = None
    covering: tuple[int, ...] = ()
    covering_count: int = 0


# Not frozen, though nothing ever changes one: see `PathSpans`.
@dataclass(slots=True)
class PathSegments:
    """The segments of a path as parallel lists, ascending and contiguous; iterating gives
    `PathSegment`s. A list of 200,000 objects would cost more than finding the path.
    `covering` has the children behind a `self_overlapped` segment and their full number, by
    the segment's place."""

    owners: list[int] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    peers: list[str | None] = field(default_factory=list)
    covering: dict[int, _Running] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.owners)

    def __iter__(self) -> Iterator[PathSegment]:
        columns = zip(self.owners, self.labels, self.starts, self.ends, self.peers, strict=True)
        for place, values in enumerate(columns):
            yield PathSegment(*values, *self.covering.get(place, ((), 0)))


def labelled(
    spans: PathSpans, tree: SpanTree, found: Windows, path: RawPath, eps_ns: int = 0
) -> PathSegments:
    """The segments of a path split where the label changes; still a partition, ascending."""
    owners: list[int] = []
    labels: list[Label] = []
    starts: list[int] = []
    ends: list[int] = []
    peers: list[str | None] = []
    covering: dict[int, _Running] = {}
    kinds, blocking, beside = spans.kinds, found.blocking, path.beside
    edges: dict[int, _Edge] = {}
    meanwhiles: dict[int, _Meanwhile | None] = {}
    is_retrying = may_have_retries(spans)
    for owner, start, end in zip(path.owners, path.starts, path.ends, strict=True):
        edge = _OWN_WORK
        if kinds[owner] in _CALLING:
            known = edges.get(owner)
            edge = edges[owner] = _edge(spans, tree, found, owner) if known is None else known
        if owner in beside or eps_ns or (is_retrying and len(blocking[owner]) > 1):
            if owner not in meanwhiles:
                meanwhiles[owner] = _meanwhile(spans, found, path, owner, eps_ns, is_retrying)
            meanwhile = meanwhiles[owner]
            if meanwhile is not None:
                for label, begin, until, peer, running in meanwhile.parts(start, end, edge):
                    if running is not None:
                        covering[len(owners)] = running
                    owners.append(owner)
                    labels.append(label)
                    starts.append(begin)
                    ends.append(until)
                    peers.append(peer)
                continue
        turn, before, after, peer = edge
        owners.append(owner)
        labels.append(before if end <= turn else after)
        starts.append(start)
        ends.append(end)
        peers.append(peer)
    return PathSegments(owners, labels, starts, ends, peers, covering)


def _edge(spans: PathSpans, tree: SpanTree, found: Windows, owner: int) -> _Edge:
    """What the time of a calling span means in which no child of it runs."""
    low, high, kinds = found.starts, found.ends, spans.kinds
    # Children without duration say nothing about time, so they change no label.
    running = [c for c in found.blocking[owner] if low[c] < high[c]]
    if not running:
        return 0, _WAIT, _WAIT, peer_of(spans, owner) or _other_service(spans, tree, owner)
    if kinds[owner] == _CLIENT:
        servers = [c for c in running if kinds[c] == _SERVER]
        if len(servers) == 1:
            return low[servers[0]], _REQUEST, _RESPONSE, spans.services[servers[0]]
    return _OWN_WORK


def _meanwhile(
    spans: PathSpans, found: Windows, path: RawPath, owner: int, eps_ns: int, is_retrying: bool
) -> _Meanwhile | None:
    """What splits a span's time on the path; None when nothing does."""
    low, high, blocking = found.starts, found.ends, found.blocking[owner]
    # Without a tolerance, children on the path never run during their parent's own segments,
    # and only those beside it are left to look at.
    others = blocking if eps_ns else path.beside.get(owner, ())
    beside = [(low[c], high[c], c) for c in others if low[c] < high[c]]
    # Attempts without duration were made all the same.
    pairs = retries(spans, blocking, low, high) if is_retrying and len(blocking) > 1 else ()
    backoffs = merged_gaps((high[one], low[after]) for one, after in pairs) if pairs else []
    return _Meanwhile(beside, backoffs) if beside or backoffs else None


class _Meanwhile:
    """What else goes on in a span's time on the path: children beside it run, or the span waits
    between two attempts. Asked for stretches in ascending order."""

    __slots__ = ("_backoffs", "_next_backoff", "_sweep")

    def __init__(self, beside: list[tuple[int, int, int]], backoffs: list[tuple[int, int]]) -> None:
        self._sweep = _Sweep(beside)
        self._backoffs, self._next_backoff = backoffs, 0

    def parts(
        self, start: int, end: int, edge: _Edge
    ) -> Iterator[tuple[Label, int, int, str | None, _Running | None]]:
        """The stretch in parts with one label each: label, times, peer, and who runs beside."""
        turn, before, after, peer = edge
        for begin, until, running in self._sweep.parts(start, end):
            if running is not None:
                yield _OVERLAPPED, begin, until, None, running
            elif not self._backoffs:
                yield before if until <= turn else after, begin, until, peer, None
            else:
                for is_backoff, low, high in self._split_by_backoffs(begin, until):
                    if is_backoff:
                        yield _BACKOFF, low, high, None, None
                    else:
                        yield before if high <= turn else after, low, high, peer, None

    def _split_by_backoffs(self, start: int, end: int) -> Iterator[tuple[bool, int, int]]:
        at = start
        while self._next_backoff < len(self._backoffs) and at < end:
            low, high = self._backoffs[self._next_backoff]
            if high <= at:
                self._next_backoff += 1
                continue
            if low >= end:
                break
            if at < low:
                yield False, at, low
            at, begin = min(high, end), max(at, low)
            yield True, begin, at
        if at < end:
            yield False, at, end


def merged_gaps(gaps: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Gaps that have a length, ascending, those that overlap or touch as one."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(gap for gap in gaps if gap[0] < gap[1]):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return merged


def _other_service(spans: PathSpans, tree: SpanTree, owner: int) -> str | None:
    own = spans.services[owner]
    return next((spans.services[c] for c in tree.children[owner] if spans.services[c] != own), None)


class _Sweep:
    """Which children of one span run when, given (start, end, child) of each."""

    __slots__ = ("_pending", "_running")

    def __init__(self, children: list[tuple[int, int, int]]) -> None:
        children.sort(reverse=True)
        self._pending = children  # the next to start is the last
        self._running: list[tuple[int, int]] = []  # a heap by end

    def parts(self, start: int, end: int) -> Sequence[tuple[int, int, _Running | None]]:
        """[start, end) in stretches with running children and, None, without; asked for in
        ascending order."""
        pending, running = self._pending, self._running
        while running and running[0][0] <= start:
            heappop(running)
        if not running and (not pending or pending[-1][0] >= end):
            return ((start, end, None),)
        parts: list[tuple[int, int, _Running | None]] = []
        at = start
        while at < end:
            while pending and pending[-1][0] <= at:
                _, high, child = pending.pop()
                if high > at:
                    heappush(running, (high, child))
            if not running:
                until = min(end, pending[-1][0]) if pending else end
                parts.append((at, until, None))
                at = until
                continue
            begin = at
            count = len(running)
            covering = [child for _, child in running[:NAMED_COVERING]]
            while running and at < end:
                until = min(end, running[0][0])
                if pending and pending[-1][0] <= until and pending[-1][0] < end:
                    # It starts before the next one ends: somebody runs all along.
                    _, high, child = pending.pop()
                    heappush(running, (high, child))
                    count += 1
                    if count <= NAMED_COVERING:
                        covering.append(child)
                    continue
                at = until
                while running and running[0][0] <= at:
                    heappop(running)
            parts.append((begin, at, (tuple(sorted(covering)), count)))
        return parts
