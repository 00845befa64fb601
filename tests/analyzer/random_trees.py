"""Random traces for property tests: small integers, so that odd coincidences are common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import strategies as st

from longpole.analyzer.critical_path import Overflow, PathOptions
from longpole.analyzer.explain import Explanation
from longpole.model.span import Span, SpanLink
from longpole.model.trace import Trace
from tests.analyzer.span_builders import span, trace

# place of the parent, start, length, kind
_shape = st.tuples(
    st.integers(0, 7),
    st.integers(0, 16),
    st.integers(0, 12),
    st.sampled_from((1, 1, 1, 2, 3, 4, 5)),
)


@st.composite
def trees(draw: st.DrawFn) -> Trace:
    """One true root and up to seven spans below it, whose times may leave the parent's."""
    shapes = draw(st.lists(_shape, max_size=7))
    length = draw(st.integers(0, 24))
    spans = [span(1, 0, 4, 4 + length, name="root")]
    for place, (parent, start, duration, kind) in enumerate(shapes):
        spans.append(
            span(
                place + 2,
                parent % (place + 1) + 1,
                start,
                start + duration,
                kind=kind,
                service="ab"[(parent + kind) % 2],
                error=duration == 1,
            )
        )
    return trace(spans)


@st.composite
def nested_trees(draw: st.DrawFn) -> Trace:
    """Like `trees`, but every child lies within its parent."""
    tree = draw(trees())
    by_id: dict[int, Span] = {}
    for one in tree.spans:
        parent = by_id.get(one.parent_span_id)
        if parent is not None:
            start = min(max(one.start_unix_nano, parent.start_unix_nano), parent.end_unix_nano)
            end = min(max(one.end_unix_nano, start), parent.end_unix_nano)
            one = replace(one, start_unix_nano=start, end_unix_nano=end, kind=1)
        by_id[one.span_id] = one
    return trace(by_id.values())


@st.composite
def any_spans(draw: st.DrawFn) -> Trace:
    """Whatever a sender might come up with: repeated ids, cycles, missing parents, spans that
    end before they start, times at the ends of 64 bits."""
    times = st.one_of(st.integers(0, 20), st.sampled_from((-(1 << 63), -1, (1 << 63) - 1)))
    shapes = draw(
        st.lists(
            st.tuples(st.integers(1, 5), st.integers(0, 6), times, times, st.integers(-1, 7)),
            max_size=9,
        )
    )
    return trace(
        span(span_id, parent, start, end, kind=kind, error=kind == 2)
        for span_id, parent, start, end, kind in shapes
    )


@st.composite
def copied_spans(draw: st.DrawFn) -> Trace:
    """Like `any_spans`, at least one, and some of them again: as exact copies, or different in
    a link, in an attribute that the analysis reads, or in the type of a value."""
    spans = draw(any_spans().filter(lambda t: bool(t.spans))).spans
    again = draw(st.lists(st.tuples(st.sampled_from(spans), st.integers(0, 5)), max_size=5))
    changes: tuple[Callable[[Span], Span], ...] = (
        replace,
        lambda s: replace(s, links=(SpanLink(s.trace_id, 1),)),
        lambda s: replace(s, attributes={"db.query.text": "SELECT 1", "peer.service": "x"}),
        lambda s: replace(s, attributes={"db.query.text": "SELECT 2"}),
        lambda s: replace(s, attributes={"n": 1}),
        lambda s: replace(s, attributes={"n": True}),
    )
    return trace((*spans, *(changes[change](one) for one, change in again)))


modes = st.sampled_from(
    [
        PathOptions(Overflow.CLIP),
        PathOptions(Overflow.DETACH, 0, 0),
        PathOptions(Overflow.DETACH),
        PathOptions(Overflow.DETACH, 0, 3),
        PathOptions(Overflow.CLIP, 2),
        PathOptions(Overflow.DETACH, 2, 0),
    ]
)


def owned(explanation: Explanation) -> list[tuple[int, int, int]]:
    """(span id, start, end) of the path without labels, neighbours of one span joined."""
    joined: list[tuple[int, int, int]] = []
    for s in explanation.segments:
        span_id = explanation.spans.span_ids[s.span]
        if joined and joined[-1][0] == span_id:
            joined[-1] = (span_id, joined[-1][1], s.end_unix_nano)
        else:
            joined.append((span_id, s.start_unix_nano, s.end_unix_nano))
    return joined
