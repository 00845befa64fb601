"""Labels: what the owner of a path segment was doing, as far as span times can tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import heappop, heappush
from typing import NamedTuple, TypeAlias

from longpole.analyzer.calls import peer_of
from longpole.analyzer.critical_path import RawPath, Windows
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.retries import may_be_attempts, retries
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

# Owner, label, start, end, peer.
_Row: TypeAlias = tuple[int, Label, int, int, str | None]


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


class _Part(NamedTuple):
    start: int
    end: int
    covering: tuple[int, ...]
    covering_count: int


def labelled(
    spans: PathSpans, tree: SpanTree, found: Windows, path: RawPath, eps_ns: int = 0
) -> PathSegments:
    """The segments of a path split where the label changes; still a partition, ascending."""
    rows: list[_Row] = []
    covering: dict[int, tuple[tuple[int, ...], int]] = {}
    callers: dict[int, _Caller] = {}
    low, high, blocking, beside = found.starts, found.ends, found.blocking, path.beside
    children, kinds, services = tree.children, spans.kinds, spans.services
    calm: set[int] = set()  # whose children are no attempts at the same call
    previous = -1  # the owner of the last segment: only its own may be lengthened
    for owner, start, end in zip(path.owners, path.starts, path.ends, strict=True):
        # The three common cases need nothing of what follows: work of its own, a call that
        # nothing is known about, and one with its server below it; no child beside the path.
        kind = kinds[owner]
        if owner != previous and owner not in beside:
            previous = owner
            below = blocking[owner]
            if kind not in _CALLING:
                if len(below) < 2 or owner in calm:
                    rows.append((owner, _SELF, start, end, None))
                    continue
                if not eps_ns and not may_be_attempts(spans, below):
                    calm.add(owner)
                    rows.append((owner, _SELF, start, end, None))
                    continue
            elif not children[owner]:
                rows.append((owner, _WAIT, start, end, peer_of(spans, owner)))
                continue
            elif len(below) == 1 and kind == _CLIENT and not eps_ns:
                [server] = below
                first = low[server]
                if kinds[server] == _SERVER and first < high[server]:
                    label = _REQUEST if end <= first else _RESPONSE
                    rows.append((owner, label, start, end, services[server]))
                    continue
        previous = owner
        caller = callers.get(owner)
        if caller is None:
            # Without a tolerance, children on the path never run during their parent's own
            # segments, and only those beside it are left to look at.
            others = blocking[owner] if eps_ns else beside.get(owner, ())
            caller = callers[owner] = _Caller(
                spans, tree, found, owner, [c for c in others if low[c] < high[c]]
            )
        if caller.only >= 0:
            first, last = low[caller.only], high[caller.only]
            if first >= end or last <= start:
                caller.add_alone(rows, covering, start, end)
                continue
            if start < first:
                caller.add_alone(rows, covering, start, first)
                start = first
            until = end if end < last else last
            covering[len(rows)] = ((caller.only,), 1)
            rows.append((owner, _OVERLAPPED, start, until, None))
            if until < end:
                caller.add_alone(rows, covering, until, end)
        elif caller.sweep is None or caller.sweep.is_idle(start, end):
            caller.add_alone(rows, covering, start, end)
        else:
            for part in caller.sweep.parts(start, end):
                if part.covering_count:
                    covering[len(rows)] = (part.covering, part.covering_count)
                    rows.append((owner, _OVERLAPPED, part.start, part.end, None))
                else:
                    caller.add_alone(rows, covering, part.start, part.end)
    if not rows:
        return PathSegments()
    owners, labels, starts, ends, peers = zip(*rows, strict=True)
    return PathSegments(list(owners), list(labels), list(starts), list(ends), list(peers), covering)


class _Caller:
    """What a span's time alone means: its own work, or one of the edges it calls over. `beside`
    are the children that may run in it: `only` the one there is (-1: none or several)."""

    __slots__ = ("backoffs", "next_backoff", "only", "owner", "peer", "plain", "server_start",
                 "sweep")  # fmt: skip

    def __init__(
        self, spans: PathSpans, tree: SpanTree, found: Windows, owner: int, beside: list[int]
    ) -> None:
        self.owner = owner
        self.plain = _SELF
        self.peer: str | None = None
        self.server_start: int | None = None
        self.backoffs: list[tuple[int, int]] | None = None
        self.next_backoff = 0
        low, high, blocking = found.starts, found.ends, found.blocking[owner]
        self.only = beside[0] if len(beside) == 1 else -1
        self.sweep = _Sweep(beside, low, high) if len(beside) > 1 else None
        kinds = spans.kinds
        kind = kinds[owner]
        if kind in _CALLING:
            # Children without duration say nothing about time, so they change no label.
            running = [c for c in blocking if low[c] < high[c]]
            if not running:
                self.plain = _WAIT
                self.peer = peer_of(spans, owner) or _other_service(spans, tree, owner)
            elif kind == _CLIENT:
                servers = [c for c in running if kinds[c] == _SERVER]
                if len(servers) == 1:
                    self.server_start = low[servers[0]]
                    self.peer = spans.services[servers[0]]
        if len(blocking) > 1:
            # Attempts without duration were made all the same.
            pairs = retries(spans, blocking, low, high)
            if pairs:
                self.backoffs = merged_gaps((high[one], low[after]) for one, after in pairs)

    def add_alone(
        self,
        rows: list[_Row],
        covering: Mapping[int, tuple[tuple[int, ...], int]],
        start: int,
        end: int,
    ) -> None:
        """Add the rows of a stretch in which no blocking child runs, the first of them perhaps
        by lengthening the last row; asked for stretches in ascending order."""
        stretches = self.stretches(start, end) if self.backoffs else (self.whole(start, end),)
        for label, begin, until, peer in stretches:
            if rows and len(rows) - 1 not in covering:
                owner, known, since, _, known_peer = rows[-1]
                if owner == self.owner and known is label and known_peer == peer:
                    rows[-1] = (owner, label, since, until, peer)
                    continue
            rows.append((self.owner, label, begin, until, peer))

    def stretches(self, start: int, end: int) -> Iterator[tuple[Label, int, int, str | None]]:
        """Label, times and peer of the parts of a stretch in which no blocking child runs;
        asked for stretches in ascending order."""
        at = start
        backoffs = self.backoffs or []
        while self.next_backoff < len(backoffs) and at < end:
            low, high = backoffs[self.next_backoff]
            if high <= at:
                self.next_backoff += 1
                continue
            if low >= end:
                break
            if at < low:
                yield self.whole(at, low)
            at, begin = min(high, end), max(at, low)
            yield _BACKOFF, begin, at, None
        if at < end:
            yield self.whole(at, end)

    def whole(self, start: int, end: int) -> tuple[Label, int, int, str | None]:
        """The same of a stretch without any backoff, which is one part."""
        if self.server_start is not None:
            is_before = end <= self.server_start
            return _REQUEST if is_before else _RESPONSE, start, end, self.peer
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
