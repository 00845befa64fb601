"""What is told with an alert: the path that grew, traces to look at, and what logs say now."""

from __future__ import annotations

import pytest

from longpole.analyzer.alerting.looking_back import shortest_range_ms
from longpole.analyzer.promql.query import parse
from longpole.analyzer.reports.alert_evidence import (
    alert_evidence,
    compared_times,
    evidence_lines,
)
from longpole.analyzer.settle import settle_once
from longpole.formats.rows import telemetry_of_logs, telemetry_of_spans
from longpole.model.clock import ManualClock
from longpole.model.log import LogRecord
from longpole.model.span import Span
from longpole.model.timerange import TimeRange
from longpole.storage.memory import MemoryStore

MS = 10**6
MINUTE = 60_000 * MS
LABELS = {"alertname": "Slow", "service_name": "cart", "span_name": "POST /cart"}


def order(number: int, at: int, query_ms: int, status: int) -> list[Span]:
    """`web` calls `cart`, which asks its database for so long."""
    end = at + (query_ms + 20) * MS
    return [
        Span(number, 1, 0, "POST /cart", 2, at, end + 10 * MS, "web", status),
        Span(number, 2, 1, "POST /cart", 2, at + 5 * MS, end, "cart", status),
        Span(number, 3, 2, "SELECT", 3, at + 10 * MS, end - 5 * MS, "cart"),
    ]


def test_evidence_names_the_path_that_grew_three_traces_and_the_new_log() -> None:
    clock = ManualClock()
    store = MemoryStore(clock, 0.0, 0.0)
    begin = clock.now_unix_nano()
    broke = begin + 10 * MINUTE
    spans, logs = [], []
    for number in range(120):
        at = begin + number * MINUTE // 10
        is_slow = at >= broke
        spans += order(number + 1, at, (400 if is_slow else 20) + number % 7, 2 if is_slow else 0)
        text = "lock wait timeout for user 17" if is_slow else f"order {number} is placed"
        logs.append(LogRecord(at, at, number + 1, 2, 13 if is_slow else 9, "", text,
                              service_name="cart"))  # fmt: skip
    clock.advance(12 * 60 + 5)
    for telemetry in (telemetry_of_spans(spans), telemetry_of_logs(logs)):
        store.submit(telemetry, clock.now_unix_nano()).result()
    while settle_once(store, clock).traces:
        pass

    # An expression over the last minutes is true two minutes after the change.
    found = alert_evidence(store, LABELS, broke + 2 * MINUTE, clock.now_unix_nano(), 4 * MINUTE)

    assert (found["service"], found["operation"]) == ("cart", "POST /cart")
    grew = found["grew"][0]
    assert (grew["service"], grew["operation"], grew["is_real"]) == ("cart", "SELECT", True)
    assert 370 * MS < grew["difference_ns"] < 390 * MS
    assert [one["errors"] for one in found["traces"]] == [2, 2, 2]
    assert len({one["trace_id"] for one in found["traces"]}) == 3
    (log,) = found["new_logs"]
    assert (log["service"], log["count"], log["is_new"]) == ("cart", 20, True)
    assert found["consists_of"] == []
    assert log["template"].startswith("lock wait timeout for user")
    text = evidence_lines(found, "http://here/traces/")
    assert "SELECT" in text
    assert "lock wait timeout" in text
    assert text.count("http://here/traces/") == 3


def test_on_a_server_younger_than_the_range_evidence_tells_what_the_path_consists_of() -> None:
    clock = ManualClock()
    store = MemoryStore(clock, 0.0, 0.0)
    begin = clock.now_unix_nano()
    spans, logs = [], []
    for number in range(10):
        at = begin + number * MINUTE // 10
        spans += order(number + 1, at, 400, 2 if number == 3 else 0)
        for severity, text in ((9, "order is placed"), (17, "lock wait timeout")):
            logs.append(LogRecord(at, at, number + 1, 2, severity, "", text,
                                  service_name="cart"))  # fmt: skip
    clock.advance(65)
    for telemetry in (telemetry_of_spans(spans), telemetry_of_logs(logs)):
        store.submit(telemetry, clock.now_unix_nano()).result()

    found = alert_evidence(store, LABELS, begin + MINUTE, clock.now_unix_nano(), 10 * MINUTE)

    assert not found["is_compared"]
    assert found["grew"] == []
    assert found["summary"] == (
        "No time before to compare with: no trace is stored of the 5 minutes before. "
        "Now 10 traces of 430 ms on average, 94 % of it in cart SELECT; 10 % of them with errors."
    )
    first = found["consists_of"][0]
    assert (first["service"], first["operation"], first["path_ns"]) == ("cart", "SELECT", 405 * MS)
    assert [one["errors"] for one in found["traces"]] == [2, 0, 0]
    # Everything would be new; only what tells of trouble is shown, and not called new.
    assert [(one["template"], one["count"], one["is_new"]) for one in found["new_logs"]] == [
        ("lock wait timeout", 10, False)
    ]
    assert "new log" not in evidence_lines(found, "")


def test_an_alert_about_nothing_that_sends_spans_has_no_subject() -> None:
    clock = ManualClock()
    store = MemoryStore(clock, 0.0, 0.0)
    now = clock.now_unix_nano()
    found = alert_evidence(store, {"alertname": "Up"}, now - MINUTE, now)
    assert (found["service"], found["operation"]) == (None, None)
    assert found["grew"] == found["traces"] == found["new_logs"] == []


@pytest.mark.parametrize(
    ("query", "minutes"),
    [
        ("up == 0", 0),
        ("rate(a[10m]) > 1", 10),
        ("rate(a[5m]) / rate(b[1h] offset 1d) > 3", 5),
        ("max_over_time(sum(rate(a[5m]))[1h:]) > 1", 65),
        ("histogram_quantile(0.9, sum by (le) (rate(a[3m]))) > on() group_left max(b)", 3),
        ("max_over_time(a[2m:1m]) > 1", 2),
    ],
)
def test_a_rule_looks_back_as_far_as_its_shortest_window(query: str, minutes: int) -> None:
    assert shortest_range_ms(parse(query)) == minutes * 60_000


@pytest.mark.parametrize(
    # The range of the rule, for how long it is active; where head begins and ends, where base ends.
    ("looks_back", "active_for", "begin", "end", "before"),
    [
        (0, 0, -1, 4, -2), (10, 1, -5, 1, -10), (10, 20, -5, 20, -10), (10, 60, -5, 25, -10),
        (600, 0, -15, 0, -30),
    ],
)  # fmt: skip
def test_evidence_compares_the_time_of_the_rule_with_that_before(
    looks_back: int, active_for: int, begin: int, end: int, before: int
) -> None:
    active = 1_000 * MINUTE
    head, base = compared_times(active, active + active_for * MINUTE, looks_back * MINUTE)
    assert head == TimeRange(active + begin * MINUTE, active + end * MINUTE)
    assert base.end_unix_nano == active + before * MINUTE
    assert base.end_unix_nano - base.start_unix_nano == (end - begin) * MINUTE
