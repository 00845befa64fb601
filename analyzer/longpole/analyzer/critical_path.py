"""The critical path: which span owns each nanosecond between a root's start and its end.

Two steps over a repaired tree, in integers and without recursion. `windows` goes top-down and
says which children their parent may have waited for; `walk` goes from a root's end back to its
start and at every instant follows the child that finished last.

    root  |--------------------------------|          segments, latest first:
    a        |-------|                                root  after b
    b                |----------|                     b     all of it
    c           |-------|                             a     all of it (c ran beside it)
                                                      root  before a
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.tree import RootKind, SpanTree
from longpole.model.span import SpanKind

SMALLEST_DEFAULT_TAU_NS = 1_000_000
DEFAULT_TAU_SHARE = 100  # one part in so many of the parent's window

# (minus the end, the start, the span) of children, in sorted order
_Candidates: TypeAlias = Iterator[tuple[int, int, int]]


class Overflow(StrEnum):
    """What becomes of a child that ends after its parent."""

    CLIP = "clip"  # cut at the parent's end; it may own the parent's tail
    DETACH = "detach"  # beyond `tau` nobody waited for it; it gets a path of its own


@dataclass(frozen=True, slots=True)
class PathOptions:
    """How paths are computed; both tolerances in nanoseconds.

    `tau_ns` is how far a child may end after its parent and still count as awaited (only with
    `DETACH`); None means 1 ms or 1 % of the parent's window, whichever is more. `eps_ns` is
    how far siblings may overlap and still count as one after the other.
    """

    overflow: Overflow = Overflow.DETACH
    eps_ns: int = 0
    tau_ns: int | None = None

    def __post_init__(self) -> None:
        if self.eps_ns < 0 or (self.tau_ns is not None and self.tau_ns < 0):
            raise ValueError("eps and tau are durations in nanoseconds, 0 or more")


class DetachReason(StrEnum):
    """Why a span is not part of its parent's path."""

    PRODUCER_CONSUMER = "producer-consumer"
    DISJOINT = "disjoint"
    OUTLIVES_PARENT = "outlives-parent"
    CYCLE = "cycle"


class Windows(NamedTuple):
    """`starts[i]` to `ends[i]` is the part of span i that its tree may be blamed for (it nests
    in the parent's); `blocking[i]` are the children span i may have waited for; `detached`
    says why the other ones are on their own."""

    starts: list[int]
    ends: list[int]
    blocking: list[Sequence[int]]
    detached: dict[int, DetachReason]


class RawPath(NamedTuple):
    """Segments as parallel lists, ascending and contiguous: `owners[i]` owns the time from
    `starts[i]` to `ends[i]`. `visited` are the spans on the path, parents first, those with
    no time of their own included. `beside[i]` are the blocking children of a visited span
    that the path does not run through."""

    owners: list[int]
    starts: list[int]
    ends: list[int]
    visited: list[int]
    beside: dict[int, list[int]]


def windows(spans: PathSpans, tree: SpanTree, options: PathOptions) -> Windows:
    """Windows of all spans, every root and every detached span having its whole interval."""
    starts, ends, kinds = spans.starts, spans.ends, spans.kinds
    low, high = starts.copy(), ends.copy()
    detached: dict[int, DetachReason] = {
        root: DetachReason.CYCLE
        for root, kind in tree.roots.items()
        if kind is RootKind.CYCLE and root != tree.primary
    }
    blocking = tree.children
    is_detaching = options.overflow is Overflow.DETACH
    producer, consumer = int(SpanKind.PRODUCER), int(SpanKind.CONSUMER)
    replaced: dict[int, list[int]] = {}
    for index in tree.order:
        children = blocking[index]
        if not children:
            continue
        lo, hi = low[index], high[index]
        is_producer = kinds[index] == producer
        lost = 0
        for child in children:
            start, end = starts[child], ends[child]
            if lo <= start < end <= hi and not is_producer:
                continue  # as mostly: it keeps its whole interval
            if is_producer and kinds[child] == consumer:
                detached[child] = DetachReason.PRODUCER_CONSUMER
            elif (start >= hi or end <= lo) and (start != end or start > hi or end < lo):
                # A span without duration is a point: it may sit on either end.
                detached[child] = DetachReason.DISJOINT
            elif is_detaching and end > hi and end > hi + _tau_ns(lo, hi, options):
                detached[child] = DetachReason.OUTLIVES_PARENT
            else:
                if start < lo:
                    low[child] = lo
                if end > hi:
                    high[child] = hi
                continue
            lost += 1
        if lost:
            replaced[index] = [child for child in children if child not in detached]
    if replaced:
        blocking = list(blocking)
        for index, children in replaced.items():
            blocking[index] = children
    return Windows(low, high, blocking, detached)


def _tau_ns(lo: int, hi: int, options: PathOptions) -> int:
    if options.tau_ns is not None:
        return options.tau_ns
    return max((hi - lo) // DEFAULT_TAU_SHARE, SMALLEST_DEFAULT_TAU_NS)


def walk(
    root: int,
    found: Windows,
    eps_ns: int = 0,
    until: int | None = None,
    children: Sequence[int] | None = None,
) -> RawPath:
    """The path of one root: its segments cover the root's window exactly, or, with `until`, that
    window cut off or drawn out to that instant. `children` are those of its blocking children
    that may be on the path; all, unless they are given."""
    low, high, blocking = found.starts, found.ends, found.blocking
    end_of_root = high[root] if until is None else until
    of_root = blocking[root] if children is None else children
    owners: list[int] = []
    starts: list[int] = []
    ends: list[int] = []
    visited = [root]
    beside: dict[int, list[int]] = {}

    # The span at hand: where its part begins, the children still to be looked at, and the instant
    # down to which its time is given away. One frame with the same for each span above it.
    index, lo, t = root, low[root], end_of_root
    candidates = _latest_first(of_root, low, high, t)
    frames: list[tuple[int, int, int, _Candidates]] = []
    while True:
        deeper = False
        for negative_end, start, child in candidates if t > lo else ():
            end = -negative_end
            if end > t + eps_ns or start >= t:
                if index in beside:
                    beside[index].append(child)
                else:
                    beside[index] = [child]
                continue
            if end > t:
                end = t
            elif end < t:
                owners.append(index)
                starts.append(end)
                ends.append(t)
            t = start
            visited.append(child)
            grandchildren = blocking[child]
            if grandchildren:
                frames.append((index, lo, t, candidates))
                index, lo, t = child, start, end
                candidates = _latest_first(grandchildren, low, high, end)
                deeper = True
                break
            owners.append(child)
            starts.append(start)
            ends.append(end)
            if t <= lo:
                break
        if deeper:
            continue
        if t > lo:
            owners.append(index)
            starts.append(lo)
            ends.append(t)
        if not frames:
            break
        index, lo, t, candidates = frames.pop()
    owners.reverse()
    starts.reverse()
    ends.reverse()
    return RawPath(owners, starts, ends, visited, beside)


def _latest_first(children: Sequence[int], low: list[int], high: list[int], hi: int) -> _Candidates:
    """Children that own time before `hi`, by latest end, then earliest start, then id. They begin
    no earlier than their parent: windows nest."""
    if len(children) == 1:  # deep chains have nothing to sort
        c = children[0]
        start, end = low[c], high[c]
        if end > hi:
            end = hi
        return iter(((-end, start, c),) if start < end else ())
    candidates = [
        (-high[c] if high[c] < hi else -hi, low[c], c) for c in children if hi > low[c] < high[c]
    ]
    candidates.sort()
    return iter(candidates)
