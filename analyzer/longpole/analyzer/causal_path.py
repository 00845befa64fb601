"""Causal paths: what an asynchronous workflow's end had to wait for, across messages and traces.

From an end back: within the tree of the span that ended, the usual path; at the start of a consumer
to the producer of its message, through a link or its parent, with the time in between as `queue`;
then on from the end of the producer in the producer's tree.

    trace 1   POST /orders |-------------|
                 publish       |--|             the rest of POST /orders is not on the path
    trace 2   consume             .....|------------|          ..... queue
                 publish                    |--|
    trace 1   ship                              ......|------|  < the end

The segments are a partition of the time from the start of the first tree to that end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from longpole.analyzer.causal_walk import chain_to, walk_to
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.labels import Label, PathSegment, labelled
from longpole.model.problem import Problem, Severity
from longpole.model.span import SpanKind
from longpole.model.trace import Trace

MOST_TRACES = 50
MOST_HOPS = 1_000
MOST_LINKS = 100  # of one consumer; a batch has as many links as messages
DESTINATION = ("messaging.destination.name", "messaging.destination")


@dataclass(frozen=True, slots=True)
class Hop:
    """One tree's part of a causal path, ascending; `top` is the span that the tree hangs on.
    `wait` is the `queue` segment before it, if it took any time: its span is `top`, its peer the
    destination."""

    explanation: Explanation
    top: int
    segments: tuple[PathSegment, ...]
    wait: PathSegment | None = None


@dataclass(frozen=True, slots=True)
class CausalPath:
    """`hops` in the order of time; all their segments touch, from `start_unix_nano` to
    `end_unix_nano`, the end of span `end` of the last hop's trace. No hops without spans."""

    hops: tuple[Hop, ...]
    start_unix_nano: int
    end_unix_nano: int
    end: int
    problems: tuple[Problem, ...] = ()

    @property
    def duration_ns(self) -> int:
        """What the segments add up to."""
        return self.end_unix_nano - self.start_unix_nano


@dataclass(slots=True)
class _Traces:
    """The traces read so far, explained; None for those that are not to be had."""

    read: Callable[[int], Trace | None]
    options: PathOptions
    known: dict[int, Explanation | None] = field(default_factory=dict)
    is_limited: bool = False

    def explained(self, trace_id: int) -> Explanation | None:
        if trace_id not in self.known:
            if len(self.known) >= MOST_TRACES:
                self.is_limited = True
                return None
            trace = self.read(trace_id)
            self.known[trace_id] = None if trace is None else explain(trace, self.options)
        return self.known[trace_id]


@dataclass(frozen=True, slots=True)
class _Producer:
    explanation: Explanation
    span: int

    @property
    def end_unix_nano(self) -> int:
        return self.explanation.spans.ends[self.span]


def causal_path(
    first: Explanation, read: Callable[[int], Trace | None], end_span_id: int | None = None
) -> CausalPath:
    """The causal path to the end of a span of this trace, or to the last end that its messages
    led to. Linked traces come from `read`; at most `MOST_TRACES` are looked at. A trace without
    consumers of messages gives its critical path. Raises KeyError for a span that the trace does
    not have."""
    if end_span_id is None:
        end = _last_end(first)
    else:
        ids = first.spans.span_ids
        if end_span_id not in ids:
            raise KeyError(end_span_id)
        end = ids.index(end_span_id)
    if end < 0:
        return CausalPath((), 0, 0, -1)
    traces = _Traces(read, first.options, {first.trace_id: first})
    problems: list[Problem] = []
    hops: list[Hop] = []
    seen: set[tuple[int, int]] = set()
    explanation, span = first, end
    until = ended = first.spans.ends[end]
    while True:
        e = explanation
        linked = _Linked(e, traces, problems)
        chain = chain_to(e.tree, e.windows, span, linked.has_producer)
        top = chain[-1]
        segments = _hop(e, chain, until)
        until = min(until, e.windows.starts[top])
        came_from = linked.producer(top) or _caller(e, top)
        wait = None
        is_again = (e.trace_id, top) in seen or len(seen) >= MOST_HOPS
        seen.add((e.trace_id, top))
        if came_from is not None and is_again:
            problems.append(_endless(e, top))
            came_from = None
        if came_from is not None:
            left = came_from.end_unix_nano
            if left > until and e.spans.kinds[top] == SpanKind.CONSUMER:
                problems.append(_early(e, top))
            elif left < until:
                wait = PathSegment(top, Label.QUEUE, left, until, _destination(e, top, came_from))
        if segments or wait:
            hops.append(Hop(e, top, segments, wait))
        if came_from is None:
            break
        until = min(until, came_from.end_unix_nano)
        explanation, span = came_from.explanation, came_from.span
    if traces.is_limited:
        problems.append(_limited())
    return CausalPath(tuple(reversed(hops)), until, ended, end, _once(problems))


def _hop(e: Explanation, chain: list[int], until: int) -> tuple[PathSegment, ...]:
    path = walk_to(chain, e.windows, until, e.options.eps_ns)
    return tuple(labelled(e.spans, e.tree, e.windows, path, e.options.eps_ns))


def _last_end(e: Explanation) -> int:
    """The span whose end is the workflow's: the primary root or a consumer that nobody waited
    for, whichever ends last; the root when they tie."""
    spans = e.spans
    consumers = [
        i
        for i, kind in enumerate(spans.kinds)
        if kind == SpanKind.CONSUMER and i != e.root and (i in e.detached or _links(e, i))
    ]
    if e.root < 0:
        return -1
    return max([e.root, *consumers], key=lambda i: spans.ends[i])


def _links(e: Explanation, span: int) -> list[tuple[int, int]]:
    """Trace and span ids that a span links to."""
    rows, sent = e.spans.rows, e.spans.sent
    links = sent[rows[span]].links[:MOST_LINKS] if sent else ()
    return [(link.trace_id, link.span_id) for link in links]


@dataclass(slots=True)
class _Linked:
    """Producers that consumers of one trace link to; links are followed once."""

    e: Explanation
    traces: _Traces
    problems: list[Problem]
    found: dict[int, _Producer | None] = field(default_factory=dict)

    def has_producer(self, span: int) -> bool:
        return self.producer(span) is not None

    def producer(self, span: int) -> _Producer | None:
        """Of a batch, the one whose message was there last."""
        if span not in self.found:
            is_consumer = self.e.spans.kinds[span] == SpanKind.CONSUMER
            self.found[span] = self._producer(span) if is_consumer else None
        return self.found[span]

    def _producer(self, span: int) -> _Producer | None:
        links = _links(self.e, span)
        found: list[_Producer] = []
        for trace_id, span_id in links:
            other = self.traces.explained(trace_id)
            if other is not None and span_id in other.spans.span_ids:
                found.append(_Producer(other, other.spans.span_ids.index(span_id)))
        if links and not found:
            self.problems.append(_missing(self.e, span))
        begin = self.e.windows.starts[span]
        return max(found, key=lambda p: _nearest(p, begin), default=None)


def _nearest(producer: _Producer, begin: int) -> tuple[bool, int, int, int]:
    """Greatest for the last to end before that instant; one that ended after it is only taken
    when nobody else is there."""
    end, is_before = producer.end_unix_nano, producer.end_unix_nano <= begin
    return is_before, end if is_before else -end, -producer.explanation.trace_id, -producer.span


def _caller(e: Explanation, top: int) -> _Producer | None:
    """The parent of a span that nobody waited for: it set it going."""
    parent = e.tree.parents[top]
    return _Producer(e, parent) if parent >= 0 else None


def _destination(e: Explanation, consumer: int, producer: _Producer) -> str | None:
    return e.spans.text(consumer, DESTINATION) or producer.explanation.spans.text(
        producer.span, DESTINATION
    )


def _missing(e: Explanation, span: int) -> Problem:
    return Problem(
        "linked_span_missing",
        "A message's producer is linked to, but not stored; the causal path goes on with the "
        "parent of its consumer, if it has one.",
        Severity.WARNING,
        1,
        (e.spans.span_ids[span],),
    )


def _early(e: Explanation, span: int) -> Problem:
    return Problem(
        "consumed_before_sent",
        "A consumer begins before its producer ends, by the clocks of their hosts or because it "
        "was so quick; no queue time is shown, and the producer's part is cut off there.",
        Severity.WARNING,
        1,
        (e.spans.span_ids[span],),
    )


def _endless(e: Explanation, span: int) -> Problem:
    return Problem(
        "causal_cycle",
        "Links lead back to where the causal path was already; it begins there.",
        Severity.WARNING,
        1,
        (e.spans.span_ids[span],),
    )


def _limited() -> Problem:
    return Problem(
        "causal_limit",
        f"The messages lead through more than {MOST_TRACES} traces; the others were not read.",
        Severity.WARNING,
    )


def _once(problems: list[Problem]) -> tuple[Problem, ...]:
    """One for each code, counted, with the spans of all."""
    by_code: dict[str, Problem] = {}
    for one in problems:
        known = by_code.get(one.code)
        if known is None:
            by_code[one.code] = one
        else:
            spans = tuple(dict.fromkeys((*known.span_ids, *one.span_ids)))[:20]
            by_code[one.code] = Problem(
                one.code, one.message, one.severity, known.count + one.count, spans
            )
    return tuple(by_code.values())
