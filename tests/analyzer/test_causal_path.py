"""Causal paths: partitions of the time from the first root to an end, across messages."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from longpole.analyzer.causal_path import CausalPath, causal_path
from longpole.analyzer.explain import explain
from longpole.model.span import Span, SpanKind, SpanLink
from longpole.model.trace import Trace
from tests.analyzer.random_trees import any_spans, modes, trees
from tests.analyzer.span_builders import TRACE_ID, span, trace

PRODUCER, CONSUMER = SpanKind.PRODUCER, SpanKind.CONSUMER
OTHER_ID = 7


def path_of(*spans: Span, end: int | None = None, others: tuple[Trace, ...] = ()) -> CausalPath:
    known = {one.trace_id: one for one in others}
    return causal_path(explain(trace(spans)), known.get, end)


def shown(path: CausalPath) -> list[tuple[int, str, int, int]]:
    """(span id, label, start, end) of all segments, waits included."""
    rows = []
    for hop in path.hops:
        for s in (*((hop.wait,) if hop.wait else ()), *hop.segments):
            span_id = hop.explanation.spans.span_ids[s.span]
            rows.append((span_id, str(s.label), s.start_unix_nano, s.end_unix_nano))
    return rows


def assert_partition(path: CausalPath) -> None:
    at = path.start_unix_nano
    for _, _, start, end in shown(path):
        assert start == at < end
        at = end
    assert at == path.end_unix_nano


@given(trees(), modes)
def test_without_messages_it_is_the_critical_path(tree: Trace, options) -> None:  # type: ignore[no-untyped-def]
    assume(all(one.kind != CONSUMER for one in tree.spans))
    explanation = explain(tree, options)
    path = causal_path(explanation, lambda _: None)
    found = [s for hop in path.hops for s in hop.segments]
    assert found == list(explanation.segments)
    assert all(hop.wait is None for hop in path.hops)


@settings(max_examples=60)
@given(trees(), modes, st.data())
def test_to_any_end_it_is_a_partition(tree: Trace, options, data) -> None:  # type: ignore[no-untyped-def]
    end = data.draw(st.sampled_from([one.span_id for one in tree.spans]))
    path = causal_path(explain(tree, options), lambda _: None, end)
    assert_partition(path)


@settings(max_examples=60)
@given(st.lists(any_spans(), min_size=1, max_size=4), st.data())
def test_strange_spans_and_circular_links_neither_raise_nor_loop(drawn, data) -> None:  # type: ignore[no-untyped-def]
    link = st.builds(SpanLink, st.integers(1, 5), st.integers(1, 5))
    stored = {}
    for number, one in enumerate(drawn, 1):
        spans = tuple(
            replace(s, trace_id=number, links=tuple(data.draw(st.lists(link, max_size=2))))
            for s in one.spans
        )
        stored[number] = Trace(number, spans)
    assert_partition(causal_path(explain(stored[1]), stored.get))


def test_the_time_between_producer_and_consumer_is_queue() -> None:
    sent = {"messaging.destination.name": "orders"}
    path = path_of(
        span(1, 0, 0, 100, name="POST /orders"),
        span(2, 1, 20, 30, name="publish", kind=PRODUCER, attributes=sent),
        span(3, 2, 250, 400, name="ship", kind=CONSUMER),
        span(4, 3, 300, 380, name="pack"),
    )
    assert shown(path) == [
        (1, "self", 0, 20),
        (2, "net_wait", 20, 30),
        (3, "queue", 30, 250),
        (3, "self", 250, 300),
        (4, "self", 300, 380),
        (3, "self", 380, 400),
    ]
    assert path.hops[1].wait is not None
    assert path.hops[1].wait.peer == "orders"
    assert path.duration_ns == 400


def test_links_lead_into_other_traces() -> None:
    producing = Trace(
        OTHER_ID,
        (
            replace(span(1, 0, 0, 90), trace_id=OTHER_ID),
            replace(span(2, 1, 40, 50, kind=PRODUCER), trace_id=OTHER_ID),
            replace(span(3, 1, 10, 60), trace_id=OTHER_ID),  # beside the path at its end
            replace(span(4, 1, 5, 35), trace_id=OTHER_ID),
        ),
    )
    consumer = replace(span(1, 0, 70, 80, kind=CONSUMER), links=(SpanLink(OTHER_ID, 2),))
    path = path_of(consumer, others=(producing,))
    assert shown(path) == [
        (1, "self", 0, 5),
        (4, "self", 5, 35),
        (1, "self_overlapped", 35, 40),
        (2, "net_wait", 40, 50),
        (1, "queue", 50, 70),
        (1, "self", 70, 80),
    ]
    assert [hop.explanation.trace_id for hop in path.hops] == [OTHER_ID, TRACE_ID]


def test_of_a_batch_the_message_that_came_last_is_the_cause() -> None:
    def sent(number: int, end: int) -> Trace:
        return Trace(number, (replace(span(1, 0, 0, end, kind=PRODUCER), trace_id=number),))

    links = tuple(SpanLink(number, 1) for number in (11, 12, 13))
    consumer = replace(span(1, 0, 50, 60, kind=CONSUMER), links=links)
    path = path_of(consumer, others=(sent(11, 10), sent(12, 40), sent(13, 55)))
    assert shown(path)[:2] == [(1, "net_wait", 0, 40), (1, "queue", 40, 50)]


def test_a_consumer_that_begins_before_its_producer_ends_waits_for_nothing() -> None:
    path = path_of(span(1, 0, 0, 50, kind=PRODUCER), span(2, 1, 30, 90, kind=CONSUMER))
    assert shown(path) == [(1, "net_wait", 0, 30), (2, "self", 30, 90)]
    assert [problem.code for problem in path.problems] == ["consumed_before_sent"]


def test_a_link_to_what_is_not_stored_is_told_and_the_parent_taken() -> None:
    consumer = replace(span(2, 1, 30, 90, kind=CONSUMER), links=(SpanLink(OTHER_ID, 2),))
    path = path_of(span(1, 0, 0, 20, kind=PRODUCER), consumer)
    assert [row[1] for row in shown(path)] == ["net_wait", "queue", "self"]
    assert [problem.code for problem in path.problems] == ["linked_span_missing"]


def test_an_end_may_be_named() -> None:
    spans = (
        span(1, 0, 0, 100),
        span(2, 1, 10, 60),
        span(3, 2, 20, 40),
        span(4, 1, 60, 90),
    )
    assert shown(path_of(*spans, end=3)) == [
        (1, "self", 0, 10),
        (2, "self", 10, 20),
        (3, "self", 20, 40),
    ]
    with pytest.raises(KeyError):
        path_of(*spans, end=9)


def test_links_that_lead_in_a_circle_end_with_a_warning() -> None:
    one = replace(span(1, 0, 10, 20, kind=CONSUMER), links=(SpanLink(TRACE_ID, 2),))
    two = replace(span(2, 0, 30, 40, kind=CONSUMER), links=(SpanLink(TRACE_ID, 1),))
    path = causal_path(explain(trace((one, two))), {TRACE_ID: trace((one, two))}.get)
    assert_partition(path)
    assert "causal_cycle" in [problem.code for problem in path.problems]


def test_more_traces_than_are_read_are_told() -> None:
    def hop(number: int) -> Trace:
        consumer = replace(
            span(1, 0, 10 * number, 10 * number + 5, kind=CONSUMER),
            trace_id=number,
            links=(SpanLink(number - 1, 1),),
        )
        return Trace(number, (consumer,))

    stored = {number: hop(number) for number in range(1, 100)}
    path = causal_path(explain(stored[99]), stored.get)
    assert_partition(path)
    assert len({h.explanation.trace_id for h in path.hops}) == 50
    assert "causal_limit" in [problem.code for problem in path.problems]


def test_a_chain_of_twenty_thousand_calls_is_walked() -> None:
    count = 20_000
    spans = [span(i, i - 1, i, 3 * count - i) for i in range(1, count + 1)]
    path = causal_path(explain(trace(spans)), lambda _: None, count)
    assert (path.duration_ns, len(path.hops[0].segments)) == (2 * count - 1, count)
