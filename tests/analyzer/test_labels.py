from __future__ import annotations

from collections.abc import Iterable

import pytest

from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.explain import explain
from longpole.analyzer.labels import NAMED_COVERING
from longpole.model.span import Span, SpanKind
from tests.analyzer.span_builders import span, trace

CLIENT, SERVER, PRODUCER, CONSUMER = (
    SpanKind.CLIENT,
    SpanKind.SERVER,
    SpanKind.PRODUCER,
    SpanKind.CONSUMER,
)


def lines(spans: Iterable[Span], options: PathOptions | None = None) -> list[str]:
    """`<span id> <label> <start>-<end> [> peer] [| covering ids]` for each segment."""
    e = explain(trace(spans), options)
    return [
        f"{e.spans.span_ids[s.span]} {s.label} {s.start_unix_nano}-{s.end_unix_nano}"
        + (f" > {s.peer}" if s.peer is not None else "")
        + "".join(f" | {e.spans.span_ids[i]}" for i in s.covering)
        for s in e.segments
    ]


def test_time_of_a_parent_beside_children_off_the_path_is_overlapped() -> None:
    #  1 |------------------------|
    #  2    |---------|               beside: it ends while 3 runs
    #  3          |----------|
    assert lines([span(1, 0, 0, 100), span(2, 1, 10, 60), span(3, 1, 40, 90)]) == [
        "1 self 0-10",
        "1 self_overlapped 10-40 | 2",
        "3 self 40-90",
        "1 self 90-100",
    ]


def test_overlapped_time_names_the_children_that_run_just_then() -> None:
    spans = [span(1, 0, 0, 100), span(2, 1, 10, 55), span(3, 1, 12, 20), span(4, 1, 30, 52)]
    assert lines([*spans, span(5, 1, 50, 90)]) == [
        "1 self 0-10",
        "1 self_overlapped 10-12 | 2",
        "3 self 12-20",
        "1 self_overlapped 20-50 | 2 | 4",
        "5 self 50-90",
        "1 self 90-100",
    ]


def test_ambiguous_time_is_the_overlapped_time() -> None:
    e = explain(trace([span(1, 0, 0, 100), span(2, 1, 10, 60), span(3, 1, 40, 90)]))
    assert e.ambiguous_ns == 30


def test_with_a_tolerance_a_child_on_the_path_may_overlap_its_parent_too() -> None:
    # 2 is on the path up to 50, where 3 begins; 3 ends at 52 while 2 still runs, until 58.
    spans = [span(1, 0, 0, 100), span(2, 1, 10, 58), span(3, 1, 50, 52)]
    assert lines(spans, PathOptions(eps_ns=10)) == [
        "1 self 0-10",
        "2 self 10-58",
        "1 self 58-100",
    ]
    assert lines([*spans, span(4, 1, 52, 55)], PathOptions(eps_ns=10))[1] == "2 self 10-58"


def test_more_covering_children_than_are_named_are_still_counted() -> None:
    count = NAMED_COVERING + 50
    spans = [span(i + 10, 1, 10, 200) for i in range(count)]
    e = explain(trace([span(1, 0, 0, 300), span(2, 1, 100, 250), *spans]))
    overlapped = [s for s in e.segments if s.covering]
    assert [(len(s.covering), s.covering_count) for s in overlapped] == [(NAMED_COVERING, count)]


def test_a_client_with_one_server_child_shows_the_way_there_and_back() -> None:
    spans = [
        span(1, 0, 0, 100, kind=CLIENT, service="web"),
        span(2, 1, 20, 70, kind=SERVER, service="api"),
    ]
    assert lines(spans) == [
        "1 net_request 0-20 > api",
        "2 self 20-70",
        "1 net_response 70-100 > api",
    ]


def test_a_client_with_two_server_children_is_no_single_edge() -> None:
    spans = [
        span(1, 0, 0, 100, kind=CLIENT),
        span(2, 1, 20, 40, kind=SERVER),
        span(3, 1, 60, 80, kind=SERVER),
    ]
    assert {line.split()[1] for line in lines(spans)} == {"self"}


@pytest.mark.parametrize(
    ("attributes", "peer"),
    [
        ({"peer.service": "billing", "server.address": "10.0.0.1"}, "billing"),
        ({"server.address": "10.0.0.1", "db.system.name": "postgresql"}, "10.0.0.1"),
        ({"db.system": "redis"}, "redis"),
        ({"messaging.system": "kafka"}, "kafka"),
        ({"rpc.service": "shop.Cart"}, "shop.Cart"),
        ({"url.full": "https://user:pw@api.example.com:8443/v1?q=1"}, "api.example.com"),
        ({"http.url": "http://[::1]:80/"}, "[::1]"),
        ({}, None),
    ],
)
def test_a_call_without_children_waits_for_its_peer(
    attributes: dict[str, str], peer: str | None
) -> None:
    spans = [span(1, 0, 0, 9), span(2, 1, 0, 9, kind=CLIENT, attributes=attributes)]
    assert lines(spans) == ["2 net_wait 0-9" + (f" > {peer}" if peer else "")]


def test_publishing_waits_for_the_broker_though_a_consumer_follows() -> None:
    spans = [
        span(1, 0, 0, 30, kind=PRODUCER, attributes={"messaging.system": "kafka"}),
        span(2, 1, 10, 25, kind=CONSUMER, service="b"),
    ]
    assert lines(spans) == ["1 net_wait 0-30 > kafka"]


def test_a_gap_after_a_failed_attempt_is_backoff_and_other_gaps_are_not() -> None:
    def attempt(span_id: int, start: int, error: bool, path: str = "/x") -> Span:
        url = {"url.full": f"http://api{path}"}
        return span(
            span_id, 1, start, start + 20, kind=CLIENT, name="GET", error=error, attributes=url
        )

    spans = [
        span(1, 0, 0, 200),
        attempt(2, 10, True),
        attempt(3, 50, True),
        attempt(4, 100, False),
        attempt(5, 150, False),
    ]
    own = [line for line in lines(spans) if line.startswith("1 ")]
    assert own == [
        "1 self 0-10",
        "1 backoff 30-50",
        "1 backoff 70-100",
        "1 self 120-150",
        "1 self 170-200",
    ]
    other = [spans[0], attempt(2, 10, True), attempt(3, 50, False, "/y")]
    assert not [line for line in lines(other) if "backoff" in line]


def test_a_resend_count_makes_an_attempt_without_any_error() -> None:
    def attempt(span_id: int, start: int, count: int) -> Span:
        sent = {"http.request.resend_count": count}
        return span(span_id, 1, start, start + 20, kind=CLIENT, name="GET", attributes=sent)

    spans = [span(1, 0, 10, 70), attempt(2, 10, 0), attempt(3, 50, 1)]
    assert "1 backoff 30-50" in lines(spans)


def test_a_child_without_duration_changes_no_label() -> None:
    call = span(2, 1, 0, 9, kind=CLIENT, attributes={"peer.service": "x"})
    spans = [span(1, 0, 0, 9), call]
    assert lines([*spans, span(3, 2, 4, 4, kind=SERVER)]) == lines(spans)


def got(span_id: int, start: int, end: int, what: str | None, *, error: bool = False) -> Span:
    asked = {} if what is None else {"url.full": f"http://api/customers/{what}"}
    return span(
        span_id, 1, start, end, kind=CLIENT, name="GET", error=error,
        attributes={"http.request.method": "GET", **asked},
    )  # fmt: skip


def backoffs(spans: Iterable[Span]) -> list[str]:
    return [line for line in lines([span(1, 0, 0, 200), *spans]) if "backoff" in line]


def test_a_call_for_something_else_after_a_failed_one_retries_nothing() -> None:
    assert not backoffs([got(2, 10, 20, "116", error=True), got(3, 50, 90, "117")])
    assert backoffs([got(2, 10, 20, "116", error=True), got(3, 50, 90, "116")])


def test_a_retry_is_seen_through_other_calls_in_between() -> None:
    calls = [got(2, 10, 20, "1", error=True), got(3, 30, 40, "2"), got(4, 50, 90, "1")]
    assert backoffs(calls) == ["1 backoff 20-30", "1 backoff 40-50"]


def test_calls_that_do_not_say_what_they_ask_for_are_retries_if_all_but_the_last_failed() -> None:
    failed, fine = got(3, 30, 40, None, error=True), got(4, 50, 90, None)
    assert backoffs([failed, fine]) == ["1 backoff 40-50"]
    assert not backoffs([got(2, 10, 20, None), failed, fine])


def test_attempts_that_fail_at_once_have_pauses_too() -> None:
    calls = [
        got(2, 10, 10, "1", error=True),
        got(3, 50, 50, "1", error=True),
        got(4, 90, 120, "1"),
    ]
    assert lines([span(1, 0, 0, 200), *calls]) == [
        "1 self 0-10",
        "1 backoff 10-90",
        "4 net_wait 90-120 > api",
        "1 self 120-200",
    ]


def test_only_the_part_of_a_pause_that_the_parent_owns_is_backoff() -> None:
    calls = [got(2, 10, 20, "1", error=True), got(4, 90, 120, "1")]
    log = span(5, 1, 30, 40)
    beside = [span(6, 1, 50, 60), span(7, 1, 55, 65)]
    assert backoffs([*calls, log, *beside]) == [
        "1 backoff 20-30",
        "1 backoff 40-50",
        "1 backoff 65-90",
    ]


@pytest.mark.parametrize("eps_ns", [0, 5])
def test_a_child_without_duration_splits_no_segment_and_covers_nothing(eps_ns: int) -> None:
    spans = [span(1, 0, 0, 100), span(2, 1, 20, 50), span(3, 1, 30, 60)]
    points = [span(9, 1, 10, 10), span(8, 1, 25, 25)]
    options = PathOptions(eps_ns=eps_ns)
    assert lines([*spans, *points], options) == lines(spans, options)
