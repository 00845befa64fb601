"""Evidence from the shape of traces: calls in a row, messages that nobody takes in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from longpole.analyzer.explain import explain
from longpole.analyzer.root_cause.errors import error_evidence
from longpole.analyzer.root_cause.facts import TraceFacts, facts_of
from longpole.analyzer.root_cause.places import Names, Place
from longpole.analyzer.root_cause.queues import queue_evidence
from longpole.analyzer.root_cause.settings import RootCauseSettings
from longpole.analyzer.root_cause.structure import structure_evidence
from longpole.model.span import Span, SpanKind
from tests.analyzer.findings.calls_made import answer, call, request
from tests.analyzer.span_builders import span, trace

MS = 1_000_000
SETTINGS = RootCauseSettings()
NAMES = Names({}, frozenset({"orders", "a", "b", "mail"}))


def facts(make: Callable[[int], list[Span]], count: int = 30) -> list[TraceFacts]:
    """That many traces, each with an id of its own."""
    made = [facts_of(explain(trace(make(number)))) for number in range(count)]
    return [replace(one, trace_id=number + 1) for number, one in enumerate(made)]


def side_by_side(number: int) -> list[Span]:
    extra = number % 3
    calls = [call(2 + n, 5, 40 + extra + n, f"http://{n}/", name=f"GET /{n}") for n in range(3)]
    return request(60 + extra, *calls)


def in_a_row(number: int) -> list[Span]:
    calls = [call(2 + n, 5 + 45 * n, 40 + number % 3, f"http://{n}/", name=f"GET /{n}")
             for n in range(3)]  # fmt: skip
    return request(150, *calls)


def test_calls_that_no_longer_run_side_by_side_are_their_callers_doing() -> None:
    (found,) = structure_evidence(facts(side_by_side), facts(in_a_row), SETTINGS)
    assert found.place == Place("orders")
    assert found.words.startswith("GET /orders makes its calls one after the other: 1 at once")
    assert structure_evidence(facts(in_a_row), facts(side_by_side), SETTINGS) == []


def test_calls_that_follow_a_failure_are_no_change_of_their_own() -> None:
    def fails(number: int) -> list[Span]:
        undo = call(9, 60, 5, "http://a/undo", name="POST /undo")
        return request(80, call(2, 5, 40, "http://b/", name="POST /b", error=True), undo)

    def well(number: int) -> list[Span]:
        return request(80, call(2, 5, 40, "http://b/", name="POST /b"))

    assert structure_evidence(facts(well), facts(fails), SETTINGS) == []

    def retries(number: int) -> list[Span]:
        again = [call(3 + n, 10 + 5 * n, 4, "http://b/", name="POST /b", error=True)
                 for n in range(5)]  # fmt: skip
        return request(80, call(2, 5, 4, "http://b/", name="POST /b", error=True), *again)

    (found,) = structure_evidence(facts(well), facts(retries), SETTINGS)
    assert (found.place, found.operation) == (Place("orders"), "POST /b")


def message(wait_ms: int, handling_ms: int = 2) -> Callable[[int], list[Span]]:
    def make(number: int) -> list[Span]:
        sent = span(2, 1, 5 * MS, 6 * MS, service="orders", name="send mail",
                    kind=SpanKind.PRODUCER)  # fmt: skip
        begin = (6 + wait_ms + number % 4) * MS
        taken = span(3, 2, begin, begin + handling_ms * MS, service="mail", name="process mail",
                     kind=SpanKind.CONSUMER)  # fmt: skip
        return request(20, sent, *([taken] if wait_ms else []))

    return make


def test_messages_that_wait_or_are_handled_slowly_are_their_receivers_doing() -> None:
    quick = facts(message(3))
    for slow in (message(900), message(3, handling_ms=900)):
        (found,) = queue_evidence(quick, facts(slow), SETTINGS)
        assert found.place == Place("mail")
        assert "(process mail)" in found.words
        assert found.amount > 850 * MS
    assert queue_evidence(quick, quick, SETTINGS) == []


def test_a_message_that_nobody_takes_is_its_receivers_doing() -> None:
    (found,) = structure_evidence(facts(message(3)), facts(message(0)), SETTINGS)
    assert (found.place, found.operation) == (Place("mail"), "process mail")


def test_a_failure_to_send_is_the_senders_and_not_the_receivers() -> None:
    def fails(number: int) -> list[Span]:
        sent = span(2, 1, 5 * MS, 6 * MS, service="orders", name="send mail",
                    kind=SpanKind.PRODUCER, error=True)  # fmt: skip
        return request(20, sent)

    (found,) = error_evidence(facts(message(3)), facts(fails), NAMES, SETTINGS)
    assert (found.place, found.operation) == (Place("orders"), "send mail")


def test_a_refused_call_is_the_edges_and_an_answered_one_the_services() -> None:
    def well(number: int) -> list[Span]:
        return request(20, call(2, 5, 10, "http://b/", attributes={"peer.service": "b"}),
                       answer(3, 2, 6, 8, "b"))  # fmt: skip

    def refused(number: int) -> list[Span]:
        return request(20, call(2, 5, 1, "http://b/", error=True,
                                attributes={"peer.service": "b"}))  # fmt: skip

    def broken(number: int) -> list[Span]:
        return request(20, call(2, 5, 10, "http://b/", error=True,
                                attributes={"peer.service": "b"}),
                       answer(3, 2, 6, 8, "b", error=True))  # fmt: skip

    (edge,) = error_evidence(facts(well), facts(refused), NAMES, SETTINGS)
    assert edge.place == Place("orders", "b")
    (service,) = error_evidence(facts(well), facts(broken), NAMES, SETTINGS)
    assert service.place == Place("b")


def test_the_path_of_every_trace_is_kept_whole() -> None:
    for one in [*facts(side_by_side, 5), *facts(in_a_row, 5), *facts(message(9), 5)]:
        assert sum(held.total_ns for held in one.path.values()) == one.duration_ns
