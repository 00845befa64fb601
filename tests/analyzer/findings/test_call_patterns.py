"""Sequential calls, slow queries, pools, payloads, fan-out and gaps, with hand-computed savings."""

from __future__ import annotations

import pytest

from longpole.model.finding import FindingSeverity
from longpole.model.span import Span, SpanKind
from tests.analyzer.findings.calls_made import MS, answer, call, found, one, query, request
from tests.analyzer.span_builders import span

WARNING, INFO, CRITICAL = FindingSeverity.WARNING, FindingSeverity.INFO, FindingSeverity.CRITICAL


def home(*calls: Span, ms: float = 250) -> list[Span]:
    return request(ms, *calls, service="gateway", name="GET /home")


def reads(*times: tuple[float, float]) -> list[Span]:
    return [
        call(2 + i, start, ms, f"http://s{i}/things/{i}", name=f"GET /s{i}", service="gateway")
        for i, (start, ms) in enumerate(times)
    ]


def test_independent_reads_in_sequence_save_all_but_the_longest() -> None:
    finding = one(home(*reads((0, 80), (81, 80), (162, 85))), "sequential_calls")
    assert finding.saving_ns == (80 + 80 + 85 - 85) * MS
    assert (finding.service, finding.operation) == ("gateway", "GET /home")
    assert finding.span_ids == (2, 3, 4, 1)
    assert finding.severity is WARNING
    assert "s0, s1, s2" in finding.reason


def test_reads_that_are_wrapped_count_by_their_wrappers() -> None:
    spans: list[Span] = []
    for i in range(3):
        wrapper = span(10 + i, 1, i * 81 * MS, (i * 81 + 80) * MS, service="gateway", name=f"w{i}")
        spans += [wrapper, call(20 + i, i * 81 + 1, 78, f"http://s{i}/x", parent=10 + i)]
    assert one(home(*spans), "sequential_calls").saving_ns == 2 * 78 * MS


def test_only_time_on_the_path_is_saved() -> None:
    beside = call(9, 0, 170, "http://slow/x", method="POST", service="gateway")
    spans = home(*reads((0, 80), (81, 80), (162, 85)), beside)
    # The path runs through `beside` until 170 ms: of the reads only the last holds any of it.
    assert found(spans, "sequential_calls") == []


@pytest.mark.parametrize(
    ("why", "calls"),
    [
        ("at once", reads((0, 80), (1, 80), (2, 85))),
        ("only two", reads((0, 80), (81, 80))),
        ("too quick", reads((0, 20), (21, 20), (42, 20))),
        ("pauses in between", reads((0, 60), (90, 60), (180, 60))),
        (
            "a write in between",
            [
                *reads((0, 80), (81, 40)),
                call(8, 122, 40, "http://pay/charge", method="POST", service="gateway"),
                call(9, 163, 80, "http://s9/x", service="gateway"),
            ],
        ),
        (
            "a token first",
            [
                call(7, 0, 80, "http://auth/oauth2/token", service="gateway"),
                call(8, 81, 80, "http://s8/x", service="gateway"),
                call(9, 162, 80, "http://s9/x", service="gateway"),
            ],
        ),
        ("the same again and again",
         [call(2 + i, i * 50, 49, f"http://u/users/{i}", service="gateway") for i in range(5)]),
        ("queries of one connection",
         [query(2 + i, i * 81, 80, f"SELECT {c} FROM {c}", name=f"SELECT {c}")
          for i, c in enumerate("abc")]),
    ],
)  # fmt: skip
def test_what_only_looks_sequential(why: str, calls: list[Span]) -> None:
    assert found(home(*calls), "sequential_calls") == [], why


def test_a_slow_query_costs_all_its_time_on_the_path() -> None:
    finding = one(request(1000, query(2, 100, 700)), "slow_db_query")
    assert finding.saving_ns == 700 * MS
    assert (finding.severity, finding.operation) == (WARNING, "SELECT lines")
    assert "postgresql" in finding.reason
    assert "order_id = ?" in finding.reason


def test_a_very_slow_query_is_critical_and_equal_ones_are_one_finding() -> None:
    finding = one(request(6000, query(2, 0, 2600), query(3, 2700, 600)), "slow_db_query")
    assert (finding.severity, finding.saving_ns) == (CRITICAL, 3200 * MS)
    assert finding.span_ids == (2, 3)


@pytest.mark.parametrize("ms", [499, 10])
def test_a_quick_query_is_not_slow(ms: float) -> None:
    assert found(request(1000, query(2, 100, ms)), "slow_db_query") == []


def test_a_query_that_waits_for_a_connection_is_not_itself_slow() -> None:
    wait = span(3, 2, 100 * MS, 690 * MS, service="orders", name="db.pool.acquire")
    spans = request(1000, query(2, 100, 600), wait)
    assert found(spans, "slow_db_query") == []
    assert one(spans, "pool_wait").saving_ns == 590 * MS


@pytest.mark.parametrize(
    "name",
    ["db.pool.acquire", "HikariDataSource.getConnection", "pool.acquire", "pgxpool.acquire",
     "pg-pool.connect", "connection checkout", "DB Pool Wait"],
)  # fmt: skip
def test_waits_for_a_connection_are_known_by_their_names(name: str) -> None:
    wait = span(2, 1, 0, 250 * MS, service="orders", name=name)
    finding = one(request(300, wait, query(3, 250, 40)), "pool_wait")
    assert (finding.saving_ns, finding.severity) == (250 * MS, WARNING)
    assert "86 %" in finding.reason  # 250 of 290 ms


@pytest.mark.parametrize(
    ("why", "spans"),
    [
        ("short", [span(2, 1, 0, 15 * MS, service="orders", name="db.pool.acquire")]),
        ("small beside the queries",
         [span(2, 1, 0, 25 * MS, service="orders", name="db.pool.acquire"), query(3, 25, 200)]),
        ("a route with such a name",
         [span(2, 1, 0, 250 * MS, service="b", name="GET /pool/acquire", kind=SpanKind.SERVER)]),
        ("some other acquisition",
         [span(2, 1, 0, 250 * MS, service="orders", name="acquire customer")]),
    ],
)  # fmt: skip
def test_what_only_looks_like_a_wait_for_a_connection(why: str, spans: list[Span]) -> None:
    assert found(request(300, *spans), "pool_wait") == [], why


@pytest.mark.parametrize(
    ("wait_ms", "whole_ms", "severity"),
    [(30, 128, INFO), (30, 50, WARNING), (99, 500, INFO), (100, 5000, WARNING)],
)
def test_a_short_wait_for_a_connection_is_a_warning_only_where_it_is_most_of_the_trace(
    wait_ms: int, whole_ms: int, severity: FindingSeverity
) -> None:
    wait = span(2, 1, 0, wait_ms * MS, service="orders", name="db.pool.acquire")
    finding = one(request(whole_ms, wait, query(3, wait_ms, 10)), "pool_wait")
    assert (finding.severity, finding.saving_ns) == (severity, wait_ms * MS)


def test_many_queries_at_once_are_worth_a_word() -> None:
    spans = [query(2 + i, 0, 40, f"SELECT a FROM t{i}") for i in range(12)]
    finding = one(request(50, *spans), "pool_wait")
    assert (finding.severity, finding.saving_ns) == (INFO, 0)
    assert "12 queries at the same time" in finding.reason


def test_a_large_answer_is_told_once_by_its_caller() -> None:
    size = {"http.response.body.size": 4_200_000}
    made = call(2, 0, 400, "http://users/all", attributes=size)
    server = span(3, 2, 50 * MS, 350 * MS, service="users", kind=SpanKind.SERVER,
                  attributes={"http.response.body.size": 4_200_000})  # fmt: skip
    finding = one(request(450, made, server), "large_http_payload")
    assert finding.saving_ns == 100 * MS  # on the way there and back
    assert "4.2 MB" in finding.reason
    assert "answer of users" in finding.reason
    assert finding.severity is WARNING


@pytest.mark.parametrize(
    ("size", "ms", "level"),
    [(299_000, 400, None), (310_000, 99, None), (310_000, 120, WARNING), (2_000_000, 30, INFO),
     (2_000_000, 2, None)],
)  # fmt: skip
def test_a_payload_counts_by_its_size_and_its_time(
    size: int, ms: float, level: FindingSeverity | None
) -> None:
    made = call(2, 0, ms, "http://users/all", attributes={"http.response.body.size": size})
    levels = [f.severity for f in found(request(450, made), "large_http_payload")]
    assert levels == ([level] if level else [])


def test_a_large_request_by_its_old_name_counts_too() -> None:
    made = call(
        2,
        0,
        200,
        "http://s/put",
        method="PUT",
        attributes={"http.request_content_length": 5_000_000},
    )
    assert "request" in one(request(300, made), "large_http_payload").reason


def fan(count: int, slowest_ms: float, step: float = 0.0) -> list[Span]:
    return [
        call(2 + i, i * step, slowest_ms if not i else 40, f"http://shard{i}/q")
        for i in range(count)
    ]


def test_a_wide_fan_out_costs_what_its_slowest_call_is_above_the_usual() -> None:
    finding = one(request(205, *fan(30, 200)), "excessive_fanout")
    assert (finding.saving_ns, finding.severity) == (160 * MS, WARNING)
    assert "30 calls at the same time" in finding.reason
    assert finding.span_ids[:2] == (1, 2)


@pytest.mark.parametrize(
    ("spans", "level"),
    [
        (fan(20, 200), None),  # as wide as one may
        (fan(30, 40), INFO),  # wide and even: nothing to be saved
        (fan(61, 200), CRITICAL),
        (fan(30, 40, step=45), None),  # one after the other
    ],
)
def test_the_level_of_a_fan_out(spans: list[Span], level: FindingSeverity | None) -> None:
    levels = [f.severity for f in found(request(1500, *spans), "excessive_fanout")]
    assert levels == ([level] if level else [])


def chat(count: int, kinds: int) -> list[Span]:
    spans: list[Span] = []
    for i in range(count):
        url = f"http://stock/{'abcdef'[i % kinds]}"
        spans.append(call(10 + i, i * 10, 9, url, name=f"GET /{'abcdef'[i % kinds]}"))
        spans.append(answer(60 + i, 10 + i, i * 10 + 2, 5, "stock"))
    return spans


def test_many_different_calls_to_one_service_cost_the_ways_there_and_back() -> None:
    finding = one(request(200, *chat(18, 6)), "chatty_service")
    # Each of the 18 calls spends 9 - 5 = 4 ms on its ways; one of them stays.
    assert (finding.saving_ns, finding.severity) == (17 * 4 * MS, WARNING)
    assert "stock 18 times" in finding.reason
    assert (finding.service, finding.operation) == ("orders", "GET /orders")


@pytest.mark.parametrize("spans", [chat(14, 6), chat(18, 1)])
def test_few_calls_or_one_call_repeated_are_not_chatty(spans: list[Span]) -> None:
    assert found(request(200, *spans), "chatty_service") == []


def test_time_that_no_span_shows_is_a_gap() -> None:
    finding = one(request(3000, query(2, 100, 200)), "uninstrumented_gap")
    assert (finding.saving_ns, finding.severity) == (2800 * MS, WARNING)
    assert (finding.service, finding.operation) == ("orders", "GET /orders")
    assert "2.7 s of it in one piece" in finding.reason


def test_a_server_without_any_child_is_a_gap_too() -> None:
    inner = answer(3, 2, 5, 700, "pay", name="Charge")
    finding = one(request(720, call(2, 0, 710, "http://pay/x"), inner), "uninstrumented_gap")
    assert (finding.service, finding.saving_ns) == ("pay", 700 * MS)
    assert "without any child span" in finding.reason


def test_a_short_gap_is_info() -> None:
    assert one(request(300, query(2, 0, 100)), "uninstrumented_gap").severity is INFO


def test_many_short_pieces_are_info() -> None:
    spans = [query(2 + i, i * 200, 10, f"SELECT a FROM t{i}") for i in range(10)]
    finding = one(request(2000, *spans), "uninstrumented_gap")
    assert (finding.severity, finding.saving_ns) == (INFO, 1900 * MS)


@pytest.mark.parametrize(
    ("why", "spans"),
    [
        ("an inner span says what it does",
         request(800, span(2, 1, 0, 790 * MS, service="orders", name="load model"))),
        ("a call waits for its callee", request(800, call(2, 0, 790, "http://bank/x"))),
        ("short", request(99)),
        ("small beside the rest", request(2000, query(2, 0, 1850))),
    ],
)  # fmt: skip
def test_what_is_no_gap(why: str, spans: list[Span]) -> None:
    assert found(spans, "uninstrumented_gap") == [], why
