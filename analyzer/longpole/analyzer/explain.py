"""Explains one trace: from its spans to segments and problems in one call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from longpole.analyzer.clock_shift import NO_CLOCKS, Clocks
from longpole.analyzer.clocks.shifting import shifted
from longpole.analyzer.critical_path import (
    DetachReason,
    PathOptions,
    RawPath,
    Windows,
    walk,
    windows,
)
from longpole.analyzer.garbage_pause import garbage_pause
from longpole.analyzer.labels import Label, PathSegments, labelled
from longpole.analyzer.path_spans import PathSpans, spans_of_trace
from longpole.analyzer.repair import repair
from longpole.analyzer.tree import RootKind, SpanTree, build_tree
from longpole.model.problem import Problem
from longpole.model.span import StatusCode
from longpole.model.trace import Trace

_USUAL = PathOptions()


@dataclass(frozen=True, slots=True)
class Completeness:
    """How much of the trace there was to explain. All but `headless` and `settled` count:
    `orphans` spans whose parent is missing, `late` spans that arrived after the first
    settlement, `skew_shifts` hosts whose clocks were corrected, `detached` spans that nobody
    waited for (their descendants not counted)."""

    orphans: int
    headless: bool
    late: int
    skew_shifts: int
    detached: int
    settled: bool
    revision: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where the time of one trace went.

    `segments` ascend and are contiguous: together they are exactly the interval of the primary
    root, whose index is `root` (-1 for a trace without spans). Indices point into `spans`,
    which are repaired and in id order. `ambiguous_ns` is the time for which span times cannot
    tell whether a span or its overlapping children held things up. `critical_ns` has the own
    time on the path of every span that has any. `clocks` are those that times were corrected
    by, `offsets_ns` what was added to a span's times, by index; `sent_start` undoes it.
    """

    trace_id: int
    spans: PathSpans
    tree: SpanTree
    windows: Windows
    options: PathOptions
    path: RawPath
    root: int
    segments: PathSegments
    critical_ns: dict[int, int]
    ambiguous_ns: int
    completeness: Completeness
    problems: tuple[Problem, ...]
    clocks: Clocks = NO_CLOCKS
    offsets_ns: Mapping[int, int] = field(default_factory=dict)

    def sent_start(self, index: int) -> int:
        """When a span started by its own clock, as it was sent."""
        return self.spans.starts[index] - self.offsets_ns.get(index, 0)

    def sent_end(self, index: int) -> int:
        """When a span ended by its own clock, after `repair`."""
        return self.spans.ends[index] - self.offsets_ns.get(index, 0)

    @property
    def start_unix_nano(self) -> int:
        """When the primary root starts; 0 without spans."""
        return self.spans.starts[self.root] if self.root >= 0 else 0

    @property
    def duration_ns(self) -> int:
        """How long the primary root takes: what the segments add up to."""
        return self.spans.ends[self.root] - self.spans.starts[self.root] if self.root >= 0 else 0

    @property
    def error_count(self) -> int:
        """Spans whose status says error."""
        return self.spans.status_codes.count(StatusCode.ERROR)

    @property
    def service_count(self) -> int:
        """Distinct services."""
        return len(set(self.spans.services))

    @property
    def detached(self) -> dict[int, DetachReason]:
        """Spans that nobody waited for, with the reason."""
        return self.windows.detached


def explain(
    trace: Trace | PathSpans, options: PathOptions | None = None, clocks: Clocks | None = None
) -> Explanation:
    """Explain a trace. Never raises for odd telemetry: what was odd is in `problems`.

    The same spans in any order give the same answer. `clocks` are put right before anything
    else; without them those that the trace was settled with, so that a settled trace has the
    path of its derived rows; else times are taken as sent.
    """
    size = len(trace.spans) if isinstance(trace, Trace) else len(trace)
    with garbage_pause(size):
        spans = spans_of_trace(trace) if isinstance(trace, Trace) else trace
        if clocks is None:
            clocks = spans.clocks or NO_CLOCKS
        return _explained(spans, options or _USUAL, clocks)


def _explained(sent: PathSpans, chosen: PathOptions, clocks: Clocks) -> Explanation:
    repaired, problems = repair(sent)
    put_right = shifted(repaired, clocks)
    spans = put_right.spans
    tree = build_tree(spans)
    found = windows(spans, tree, chosen)
    if tree.primary >= 0:
        path = walk(tree.primary, found, chosen.eps_ns)
    else:
        path = RawPath([], [], [], [], {})
    segments = labelled(spans, tree, found, path, chosen.eps_ns)
    critical_ns: dict[int, int] = defaultdict(int)
    ambiguous_ns = 0
    for owner, label, start, end in zip(
        segments.owners, segments.labels, segments.starts, segments.ends, strict=True
    ):
        critical_ns[owner] += end - start
        if label is Label.SELF_OVERLAPPED:
            ambiguous_ns += end - start
    return Explanation(
        trace_id=spans.trace_id,
        spans=spans,
        tree=tree,
        windows=found,
        options=chosen,
        path=path,
        root=tree.primary,
        segments=segments,
        critical_ns=dict(critical_ns),
        ambiguous_ns=ambiguous_ns,
        completeness=Completeness(
            orphans=tree.orphans,
            headless=tree.is_headless,
            late=spans.late,
            skew_shifts=len(put_right.clocks.shifts),
            detached=len(found.detached),
            settled=spans.is_settled,
            revision=spans.revision,
        ),
        problems=(*problems, *put_right.problems, *tree.problems),
        clocks=put_right.clocks,
        offsets_ns=put_right.offsets_ns,
    )


@dataclass(frozen=True, slots=True)
class OtherTree:
    """A tree beside the primary one, with a path of its own.

    `reason` is `orphan`, `another-root`, or why the span is detached. `span_count` counts the
    spans that hang on it, other trees below not included.
    """

    root: int
    reason: str
    span_count: int
    segments: PathSegments


def other_trees(explanation: Explanation) -> tuple[OtherTree, ...]:
    """Paths of orphan trees, further roots and detached spans, by start and id.

    Worked out when asked for: lists and totals need only the primary path.
    """
    spans, tree, found = explanation.spans, explanation.tree, explanation.windows
    eps_ns = explanation.options.eps_ns
    reasons: dict[int, str] = {
        root: "orphan" if kind is RootKind.ORPHAN else "another-root"
        for root, kind in tree.roots.items()
    }
    reasons.update(found.detached)
    head = list(range(len(spans)))
    counts: dict[int, int] = defaultdict(int)
    for index in tree.order:
        if index not in reasons:
            head[index] = head[tree.parents[index]]
        counts[head[index]] += 1
    reasons.pop(explanation.root, None)
    trees: list[OtherTree] = []
    for root in sorted(reasons, key=lambda i: (spans.starts[i], i)):
        path = walk(root, found, eps_ns)
        segments = labelled(spans, tree, found, path, eps_ns)
        trees.append(OtherTree(root, reasons[root], counts[root], segments))
    return tuple(trees)
