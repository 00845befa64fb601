from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from longpole.analyzer.explain import explain
from longpole.analyzer.findings.detect import detect
from longpole.analyzer.verdict import MOST_ENTRIES, verdict_line, verdict_of
from longpole.analyzer.wording import duration_text, quoted, share_text
from longpole.model.span import Span, SpanKind
from tests.analyzer.span_builders import span, trace

MS = 1_000_000
CLIENT = SpanKind.CLIENT
SERVER = SpanKind.SERVER


def golden(spans: Iterable[Span]) -> list[str]:
    """Place, share, confidence, why and what to do, four lines to an entry."""
    return [
        line
        for entry in verdict_of(explain(trace(spans)), ())
        for line in (
            f"{entry.service} › {entry.operation}: {share_text(entry.share)}, {entry.confidence}",
            entry.reason,
            entry.advice,
        )
    ]


def query(span_id: int, start: int, end: int, text: str = "", *, error: bool = False) -> Span:
    sent = {"db.system.name": "postgresql"} | ({"db.query.text": text} if text else {})
    return span(
        span_id, 1, start * MS, end * MS,
        service="cart", name="SELECT cart_items", kind=CLIENT, error=error, attributes=sent,
    )  # fmt: skip


def root(end: int) -> Span:
    return span(1, 0, 0, end * MS, service="cart", name="POST /price", kind=SERVER)


def test_one_slow_query_is_named_with_its_text() -> None:
    text = "SELECT *\n FROM carts WHERE id = 42 AND state IN ('a', 'b')"
    assert golden([root(100), query(2, 10, 90, text)])[:3] == [
        "cart › SELECT cart_items: 80 %, high",
        "Waits for postgresql: 1 query took 80 ms: "
        "SELECT * FROM carts WHERE id = ? AND state IN (?).",
        "Read the plan of this query (EXPLAIN): add the index it lacks, fetch less, or cache the "
        "answer. If the plan is good, look for locks and a full connection pool.",
    ]


def test_equal_queries_one_after_another_are_one_finding() -> None:
    spans = [query(i, i * 10, i * 10 + 9, f"SELECT {i} FROM t") for i in range(2, 10)]
    assert golden([root(100), *spans])[:3] == [
        "cart › SELECT cart_items: 72 %, high",
        "8 identical queries one after another (N+1), 9 ms each: SELECT ? FROM t.",
        "Load them in one query (IN or JOIN) instead of one by one: up to −63 ms.",
    ]


def test_equal_calls_to_a_service_take_its_time_along() -> None:
    spans: list[Span] = []
    for i in range(6):
        call, start = 10 + 2 * i, i * 15 * MS
        url = {"http.request.method": "GET", "url.full": f"http://price/items/{i}"}
        spans.append(span(call, 1, start, start + 14 * MS, name="GET", kind=CLIENT, attributes=url))
        spans.append(
            span(call + 1, call, start + MS, start + 13 * MS, service="price", kind=SERVER)
        )
    assert golden([root(100), *spans])[:3] == [
        "a › GET: 84 %, high",
        "6 identical calls to price one after another (N+1), 14 ms each.",
        "Ask for all of them in one call, or make the calls in parallel: up to −70 ms.",
    ]


def test_waiting_for_a_callee_without_spans_says_so() -> None:
    call = span(2, 1, 0, 90 * MS, name="charge", kind=CLIENT, attributes={"peer.service": "bank"})
    assert golden([root(100), call])[:3] == [
        "a › charge: 90 %, medium",
        "Waits for bank in 1 call; no spans from there are in the trace, so what happened inside "
        "is out of sight.",
        "Instrument bank and pass the trace context on, or read its own logs and metrics for this "
        "time.",
    ]


def test_time_between_caller_and_callee_names_the_edge() -> None:
    call = span(2, 1, 0, 100 * MS, service="cart", name="GET", kind=CLIENT)
    served = span(3, 2, 60 * MS, 80 * MS, service="auth", name="GET /me", kind=SERVER)
    assert golden([root(100), call, served])[:3] == [
        "cart › GET: 80 %, medium",
        "Between cart and auth: 60 ms before the callee starts, 20 ms after it ends. Clocks that "
        "differ between hosts look the same.",
        "Check connection set-up, queues in front of auth, proxies and the size of what is sent; "
        "then that both clocks are synchronised.",
    ]


def test_retries_count_the_failed_attempts_and_the_pauses() -> None:
    def attempt(span_id: int, start: int, error: bool) -> Span:
        return span(
            span_id, 1, start * MS, (start + 20) * MS,
            name="GET", kind=CLIENT, error=error,
            attributes={"peer.service": "bank"} | ({"error.type": "timeout"} if error else {}),
        )  # fmt: skip

    attempts = [attempt(2, 0, True), attempt(3, 70, True), attempt(4, 170, False)]
    assert golden([root(200), *attempts])[:3] == [
        "a › GET: 85 %, high",
        "3 attempts of GET, 2 failed: 40 ms in attempts that had to be repeated and 130 ms "
        "waiting between attempts. 2 of 3 spans failed: timeout.",
        "Find out why bank fails; then check how often and how fast callers retry.",
    ]


def test_overlapping_children_are_owned_up_to_with_low_confidence() -> None:
    spans = [span(2, 1, 0, 80 * MS, name="a"), span(3, 1, 70 * MS, 100 * MS, name="b")]
    assert golden([root(100), *spans])[:3] == [
        "cart › POST /price: 70 %, low",
        "POST /price runs beside its children a; span times cannot tell which of them held it up.",
        "Put a span around what POST /price does itself meanwhile; shorten the longest of the "
        "parallel children first.",
    ]


def test_own_time_without_children_asks_for_spans() -> None:
    assert golden([root(100)]) == [
        "cart › POST /price: 100 %, medium",
        "1 span without children: own code, or calls that nobody instrumented.",
        "Profile it, or add spans around its calls to see what it waits for.",
    ]


def test_missing_spans_lower_the_confidence_of_what_rests_on_their_absence() -> None:
    place, reason, _ = golden([root(100), span(9, 77, 0, MS)])
    assert place == "cart › POST /price: 100 %, low"
    assert reason.endswith("Spans are missing from this trace, so it may look worse than it is.")


def test_an_error_on_the_path_is_read_first() -> None:
    failed = query(2, 0, 90, "SELECT 1", error=True)
    _, reason, advice = golden([root(100), failed])[:3]
    assert reason.endswith("1 of 1 span failed: no message was recorded.")
    assert advice.startswith("Read the error first")


def test_a_verdict_is_short_and_never_counts_time_twice() -> None:
    spans = [span(i, 1, i * MS, (i + 1) * MS, name=f"step {i}") for i in range(2, 30)]
    e = explain(trace([root(100), *spans]))
    verdict = verdict_of(e, detect(e))
    assert len(verdict) == MOST_ENTRIES
    assert sum(entry.critical_ns for entry in verdict) <= e.duration_ns
    assert verdict_line(verdict) == (
        "nothing unusual; 72 % in cart › POST /price (own time between child spans)"
    )


def test_a_trace_without_duration_has_no_verdict() -> None:
    e = explain(trace([span(1, 0, 5, 5)]))
    assert verdict_of(e, detect(e)) == ()
    assert verdict_line(()) == ""


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1 µs"),
        (29_640_000, "29.6 ms"),
        (999_600_000, "1 s"),
        (1_420_000_000, "1.42 s"),
        (90_000_000_000, "90 s"),
    ],
)
def test_durations_keep_three_digits(ns: int, text: str) -> None:
    assert duration_text(ns) == text


def test_long_telemetry_is_cut_to_one_line() -> None:
    assert quoted("a\n b\t" + "x" * 500) == "a b " + "x" * 95 + "…"


def paid(child: tuple[float, float], *, error: bool = False, **hosts: str) -> list[Span]:
    """A gateway that waits one second for payment, whose server span has these times in ms."""
    start, end = (round(t * MS) for t in child)
    call = span(
        2, 1, 10 * MS, 1010 * MS, service="gateway", name="POST /pay", kind=CLIENT, error=error,
        attributes={"server.address": "payment"} | ({"host.name": hosts["a"]} if hosts else {}),
    )  # fmt: skip
    served = span(
        3, 2, start, end, service="payment", name="POST /pay", kind=SERVER,
        attributes={"host.name": hosts["b"]} if hosts else {},
    )  # fmt: skip
    select = span(
        4, 3, start + 5 * MS, end - 10 * MS, service="payment", name="SELECT accounts", kind=CLIENT
    )
    return [root(1020), call, served, select]


def test_a_callee_that_ran_on_after_a_timeout_is_named_with_its_slowest_part() -> None:
    assert golden(paid((15, 5000), error=True))[:3] == [
        "gateway › POST /pay: 98 %, high",
        "The caller gave up after 1 s; payment ran 4.99 s, mostly in SELECT accounts. 1 of 1 span "
        "failed: no message was recorded.",
        "Read the error first, it may explain the time. Find out why SELECT accounts takes so "
        "long, and compare the caller's timeout with what payment needs; pass the deadline on, so "
        "that payment stops when nobody waits any more.",
    ]
    assert golden(paid((15, 5000)))[0].endswith("medium")


def test_a_callee_outside_its_call_makes_the_clocks_suspect() -> None:
    spans = paid((-1985, -1000), a="web-1", b="pay-2")
    assert golden(spans)[:3] == [
        "gateway › POST /pay: 98 %, low",
        "Waits for payment, whose span of this call lies 1.01 s before it starts: probably the "
        "clocks of gateway and payment differ (hosts web-1 and pay-2); otherwise nobody waited "
        "for it.",
        "Synchronise the clocks of the hosts of gateway and payment (NTP or chrony); until then "
        "the 985 ms of payment cannot be placed in this call.",
    ]
    assert "1.01 s after it ends" in golden(paid((2020, 3000)))[1]


def test_a_callee_whose_span_has_no_duration_is_not_called_missing() -> None:
    _, reason, advice = golden(paid((500, 500))[:3])[:3]
    assert reason.startswith("Waits for payment, whose span has no duration")
    assert "Instrument" not in advice


def test_a_publisher_waits_for_the_broker_and_never_for_the_consumer() -> None:
    publish = span(
        2, 1, 0, 90 * MS, name="orders publish", kind=SpanKind.PRODUCER,
        attributes={"messaging.system": "kafka"},
    )  # fmt: skip
    consume = span(3, 2, 400 * MS, 5400 * MS, service="billing", kind=SpanKind.CONSUMER)
    place, reason, advice = golden([root(100), publish, consume])[:3]
    assert place == "a › orders publish: 90 %, medium"
    assert reason == (
        "Waits for kafka in 1 call; billing works on the message on its own, and nobody here "
        "waits for that."
    )
    assert advice.startswith("Look at kafka itself")
    assert golden([root(100), publish])[1:3] == ["Waits for kafka in 1 call.", advice]


def test_a_late_child_of_the_caller_itself_does_not_stand_for_the_callee() -> None:
    call = span(2, 1, 0, 90 * MS, name="charge", kind=CLIENT, attributes={"peer.service": "bank"})
    read = span(3, 2, 95 * MS, 99 * MS, name="read body")
    assert "no spans from there" in golden([root(100), call, read])[1]


def test_a_loop_with_one_failure_is_a_repeated_call_and_no_retry() -> None:
    calls = [
        span(
            i + 2, 1, (10 + i * 100) * MS, (105 + i * 100) * MS, service="orders", name="GET",
            kind=CLIENT, error=i == 16,
            attributes={
                "url.full": f"http://customers/customers/{i + 100}", "http.request.method": "GET",
            },
        )
        for i in range(30)
    ]  # fmt: skip
    e = explain(trace([root(3100), *calls]))
    verdict = verdict_of(e, ())
    assert [entry.cause for entry in verdict] == ["repeated_call", "between_children"]
    assert verdict[0].reason.startswith("30 identical calls to customers one after another")


def test_queries_behind_a_wrapper_each_are_one_finding() -> None:
    spans: list[Span] = []
    for i in range(100):
        start, wrapper = 5 * MS + i * 9 * MS, 1000 + i
        spans.append(span(wrapper, 1, start, start + 9 * MS, service="cart", name="Cart.find"))
        inner = span(
            3000 + i, wrapper, start, start + 9 * MS, service="cart", name="Session.execute"
        )
        select = query(5000 + i, 0, 0, f"SELECT * FROM c WHERE id = {i}")
        spans.append(inner)
        spans.append(
            replace(
                select, parent_span_id=3000 + i, start_unix_nano=start + MS,
                end_unix_nano=start + 8 * MS,
            )
        )  # fmt: skip
    assert golden([root(1000), *spans])[:2] == [
        "cart › SELECT cart_items: 70 %, high",
        "100 identical queries one after another (N+1), 7 ms each: SELECT * FROM c WHERE id = ?.",
    ]


def test_a_short_child_for_the_connection_does_not_hide_a_slow_query() -> None:
    pool = span(3, 2, 6 * MS, 8 * MS, service="cart", name="pg-pool.connect")
    shown = golden([root(100), query(2, 5, 95, "SELECT * FROM users"), pool])
    assert shown[0] == "cart › SELECT cart_items: 88 %, high"
    assert "1 query took 88 ms: SELECT * FROM users" in shown[1]


def test_code_around_a_query_of_its_own_is_not_the_query() -> None:
    inner = replace(query(3, 40, 50, "SELECT 1"), parent_span_id=2)
    assert golden([root(100), query(2, 0, 100, "SELECT 1"), inner])[1].startswith(
        "SELECT cart_items spends this time outside its child spans"
    )


@pytest.mark.parametrize(
    ("system", "text", "shown", "advice"),
    [
        ("redis", "HGETALL cart:17", "1 command took 90 ms: HGETALL cart:?.", "slow log"),
        ("redis", "GET cart:items", "1 command took 90 ms: GET cart:items.", "slow log"),
        ("mongodb", "find carts", "1 query took 90 ms: find carts.", "explain or profile"),
        ("mysql", "SELECT :id::text", "1 query took 90 ms: SELECT ?::text.", "EXPLAIN"),
        ("homegrown", "select 1", "1 query took 90 ms: select ?.", "EXPLAIN"),
        ("homegrown", "frob", "1 query took 90 ms: frob.", "slow log, its indexes"),
    ],
)
def test_the_advice_fits_the_database(system: str, text: str, shown: str, advice: str) -> None:
    sent = {"db.system": system, "db.query.text": text}
    call = span(2, 1, 0, 90 * MS, kind=CLIENT, attributes=sent)
    _, reason, what_to_do = golden([root(100), call])[:3]
    assert reason.endswith(shown)
    assert advice in what_to_do
    assert ("EXPLAIN" in what_to_do) == (advice == "EXPLAIN")


def test_repeated_commands_and_sends_are_told_apart_from_queries() -> None:
    def many(kind: int, sent: dict[str, str]) -> list[str]:
        calls = [
            span(i, 1, i * MS, (i + 1) * MS, name="x", kind=kind, attributes=sent)
            for i in range(2, 12)
        ]
        return golden([root(12), *calls])[1:3]

    commands = many(CLIENT, {"db.system": "redis", "db.statement": "GET a"})
    assert commands[0].startswith("10 identical commands one after another")
    assert "pipeline" in commands[1]
    sends = many(SpanKind.PRODUCER, {"messaging.system": "kafka"})
    assert sends == [
        "10 equal sends to kafka one after another, 1 ms each.",
        "Send them as one batch, or without waiting for each: up to −9 ms.",
    ]


def test_no_name_however_long_makes_a_sentence_unreadable() -> None:
    endless = "x" * 5000
    call = span(
        2, 1, 0, 90 * MS, service=endless, name=endless, kind=CLIENT,
        attributes={"peer.service": endless},
    )  # fmt: skip
    served = span(3, 2, 10 * MS, 80 * MS, service=endless, name=endless, kind=SERVER)
    parallel = [span(i, 3, i * MS, (60 + i) * MS, name=endless + str(i)) for i in range(11, 16)]
    beside = span(9, 0, 0, 5, service=endless, name=endless)
    for spans in ([call], [call, served], [call, served, *parallel], [beside]):
        e = explain(trace([root(100), *spans]))
        verdict = verdict_of(e, detect(e))
        assert len(verdict_line(verdict)) < 400
        for text in (*(w for v in verdict for w in (v.reason, v.advice)),):
            assert len(text) < 450
        assert all(len(problem.message) < 300 for problem in e.problems)
