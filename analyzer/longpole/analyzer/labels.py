"""Labels: what the owner of a path segment was doing, as far as span times can tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import heappop, heappush
from typing import NamedTuple

from longpole.analyzer.calls import peer_of
from longpole.analyzer.critical_path import RawPath, Windows
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.retries import retries
from longpole.analyzer.tree import SpanTree
from longpole.model.span import SpanKind

_CALLING = (int(SpanKind.CLIENT), int(SpanKind.PRODUCER))
_SERVER = int(SpanKind.SERVER)
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


@dataclass(frozen=True, slots=True)
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
    covering: dict[int, tuple[tuple[int, ...], int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.owners)

    def __iter__(self) -> Iterator[PathSegment]:
        columns = zip(self.owners, self.labels, self.starts, self.ends, self.peers, strict=True)
        for place, values in enumerate(columns):
            yield PathSegment(*values, *self.covering.get(place, ((), 0)))

    def append(self, owner: int, label: Label, start: int, end: int, peer: str | None) -> None:
        """Add a segment that begins where the last one ended, or lengthen the last one."""
        last = len(self.owners) - 1
        if (
            last >= 0
            and self.owners[last] == owner
            and self.labels[last] is label
            and self.peers[last] == peer
            and last not in self.covering
            and last + 1 not in self.covering
        ):
            self.ends[last] = end
            return
        self.owners.append(owner)
        self.labels.append(label)
        self.starts.append(start)
        self.ends.append(end)
        self.peers.append(peer)


class _Part(NamedTuple):
    start: int
    end: int
    covering: tuple[int, ...]
    covering_count: int


def labelled(
    spans: PathSpans, tree: SpanTree, found: Windows, path: RawPath, eps_ns: int = 0
) -> PathSegments:
    """The segments of a path split where the label changes; still a partition, ascending."""
    segments = PathSegments()
    append = segments.append
    sweeps: dict[int, _Sweep | None] = {}
    callers: dict[int, _Caller] = {}
    low, high, blocking = found.starts, found.ends, found.blocking
    children, kinds, own_time = tree.children, spans.kinds, Label.SELF
    for owner, start, end in zip(path.owners, path.starts, path.ends, strict=True):
        # The two common cases need nothing of what follows: work of its own, with one child at
        # the most, and a call that nothing is known about.
        is_calling = kinds[owner] in _CALLING
        if not is_calling and len(blocking[owner]) < 2 and owner not in path.beside:
            append(owner, own_time, start, end, None)
            continue
        if is_calling and not children[owner]:
            append(owner, Label.NET_WAIT, start, end, peer_of(spans, owner))
            continue
        caller = callers.get(owner)
        if caller is None:
            caller = callers[owner] = _Caller(spans, tree, found, owner)
            # Without a tolerance, children on the path never run during their parent's own
            # segments, and only those beside it are left to look at.
            beside = blocking[owner] if eps_ns else path.beside.get(owner, [])
            beside = [c for c in beside if low[c] < high[c]]
            sweeps[owner] = _Sweep(beside, low, high) if beside else None
        sweep = sweeps[owner]
        if sweep is None or sweep.is_idle(start, end):
            if caller.backoffs:
                for stretch in caller.stretches(start, end):
                    append(owner, *stretch)
            else:
                append(owner, *caller.whole(start, end))
            continue
        for part in sweep.parts(start, end):
            if part.covering_count:
                segments.covering[len(segments)] = (part.covering, part.covering_count)
                append(owner, Label.SELF_OVERLAPPED, part.start, part.end, None)
            else:
                for stretch in caller.stretches(part.start, part.end):
                    append(owner, *stretch)
    return segments


class _Caller:
    """What a span's time alone means: its own work, or one of the edges it calls over."""

    __slots__ = ("backoffs", "next_backoff", "peer", "plain", "server_end", "server_start")

    def __init__(self, spans: PathSpans, tree: SpanTree, found: Windows, owner: int) -> None:
        self.plain = Label.SELF
        self.peer: str | None = None
        self.server_start: int | None = None
        self.server_end = 0
        self.backoffs: list[tuple[int, int]] = []
        self.next_backoff = 0
        low, high = found.starts, found.ends
        kind = spans.kinds[owner]
        # Children without duration say nothing about time, so they change no label.
        running = [c for c in found.blocking[owner] if low[c] < high[c]]
        if kind in _CALLING and not running:
            self.plain = Label.NET_WAIT
            self.peer = peer_of(spans, owner) or _other_service(spans, tree, owner)
        elif kind == _CALLING[0]:
            servers = [c for c in running if spans.kinds[c] == _SERVER]
            if len(servers) == 1:
                self.server_start, self.server_end = low[servers[0]], high[servers[0]]
                self.peer = spans.services[servers[0]]
        if len(found.blocking[owner]) > 1:
            # Attempts without duration were made all the same.
            self.backoffs = merged_gaps(
                (high[one], low[following])
                for one, following in retries(spans, found.blocking[owner], low, high)
            )

    def stretches(self, start: int, end: int) -> Iterator[tuple[Label, int, int, str | None]]:
        """Label, times and peer of the parts of a stretch in which no blocking child runs;
        asked for stretches in ascending order."""
        at = start
        while self.next_backoff < len(self.backoffs) and at < end:
            low, high = self.backoffs[self.next_backoff]
            if high <= at:
                self.next_backoff += 1
                continue
            if low >= end:
                break
            if at < low:
                yield self.whole(at, low)
            at, begin = min(high, end), max(at, low)
            yield Label.BACKOFF, begin, at, None
        if at < end:
            yield self.whole(at, end)

    def whole(self, start: int, end: int) -> tuple[Label, int, int, str | None]:
        """The same of a stretch without any backoff, which is one part."""
        if self.server_start is not None:
            is_before = end <= self.server_start
            return Label.NET_REQUEST if is_before else Label.NET_RESPONSE, start, end, self.peer
        return self.plain, start, end, self.peer


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
    """Which children of one span run when; asked for stretches in ascending order."""

    __slots__ = ("_high", "_low", "_next", "_pending", "_running")

    def __init__(self, children: Sequence[int], low: list[int], high: list[int]) -> None:
        self._low, self._high = low, high
        self._pending = sorted(children, key=lambda c: (low[c], high[c], c))
        self._next = 0
        self._running: list[tuple[int, int]] = []  # a heap by end

    def is_idle(self, start: int, end: int) -> bool:
        """Whether none of them runs in [start, end); asked before `parts`, or instead of it."""
        if self._running or self._next < len(self._pending):
            self._move_to(start)
        return not self._running and (
            self._next >= len(self._pending) or self._low[self._pending[self._next]] >= end
        )

    def parts(self, start: int, end: int) -> Iterator[_Part]:
        """Split [start, end) into stretches with and without running children."""
        at = start
        while at < end:
            self._move_to(at)
            if not self._running:
                until = end
                if self._next < len(self._pending):
                    until = min(end, self._low[self._pending[self._next]])
                yield _Part(at, until, (), 0)
                at = until
                continue
            begin = at
            count = len(self._running)
            covering = [child for _, child in self._running[:NAMED_COVERING]]
            while self._running and at < end:
                until = min(end, self._running[0][0])
                added = self._start(before=until)
                if not added:  # nobody starts before the next one ends
                    at = until
                    added = self._move_to(at) if at < end else []
                count += len(added)
                covering.extend(added[: NAMED_COVERING - len(covering)])
            yield _Part(begin, at, tuple(sorted(covering)), count)

    def _move_to(self, at: int) -> list[int]:
        """Children that run at `at` are in the heap afterwards; the new ones are returned."""
        added = [child for child in self._start(before=at + 1) if self._high[child] > at]
        while self._running and self._running[0][0] <= at:
            heappop(self._running)
        return added

    def _start(self, before: int) -> list[int]:
        """Put the children that start before that instant into the heap and return them."""
        added: list[int] = []
        while self._next < len(self._pending) and self._low[self._pending[self._next]] < before:
            child = self._pending[self._next]
            self._next += 1
            heappush(self._running, (self._high[child], child))
            added.append(child)
        return added
