"""Whom the search for a root cause blames, on a shop with one thing wrong at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analyzer.reports.root_cause_report import root_cause_report
from longpole.formats.rows import telemetry_of_spans
from longpole.model.clock import ManualClock
from longpole.model.query import TraceQuery
from longpole.model.span import Span
from longpole.model.timerange import TimeRange
from longpole.storage.memory import MemoryStore
from tests.analyzer.root_cause.made_windows import HEALTHY, MS, START, Shop, two_windows, window

COUNT = 60
MIDDLE = START + COUNT * 100 * MS
LATER = TimeRange(MIDDLE, MIDDLE + COUNT * 100 * MS)


def report(spans: Sequence[Span], time: TimeRange = LATER, now: int = 0) -> dict[str, Any]:
    store = MemoryStore(ManualClock(), 0.0, 0.0)
    store.submit(telemetry_of_spans(list(spans)), START).result()
    return root_cause_report(store, TraceQuery(time=time), now_unix_nano=now)


def blamed(document: dict[str, Any]) -> tuple[str, str | None, str]:
    first = document["suspects"][0]
    assert document["is_clear"], document["conclusion"]
    return first["service"], first["callee"], first["evidence"][0]["kind"]


@pytest.mark.parametrize(
    ("shop", "service", "callee", "kind"),
    [
        (Shop(query_ms=60), "payments", None, "latency"),
        (Shop(query_ms=400, share=0.2), "payments", None, "latency"),
        (Shop(network_ms=20), "orders", "payments", "latency"),
        (Shop(queries=9), "orders", None, "structure"),
        (Shop(charge_fails=True, share=0.2), "payments", None, "errors"),
        (Shop(refuses=True, share=0.5), "orders", "payments", "errors"),
        (Shop(extra_call=True), "payments", None, "structure"),
    ],
)
def test_the_guilty_place_is_named_first(
    shop: Shop, service: str, callee: str | None, kind: str
) -> None:
    document = report(two_windows(shop))
    assert blamed(document) == (service, callee, kind)
    examples = document["suspects"][0]["evidence"][0]["examples"]
    assert examples
    assert all(len(one["trace_id"]) == 32 for one in examples)


@pytest.mark.parametrize("seed", range(3))
def test_two_healthy_windows_have_no_clear_cause(seed: int) -> None:
    document = report(two_windows(HEALTHY, seed=seed * 10))
    assert document["suspects"] == []
    assert document["conclusion"].startswith("No clear cause")


def test_a_window_compared_with_itself_is_silent() -> None:
    spans = two_windows(Shop(query_ms=60, charge_fails=True, share=0.5))
    store = MemoryStore(ManualClock(), 0.0, 0.0)
    store.submit(telemetry_of_spans(list(spans)), START).result()
    document = root_cause_report(store, TraceQuery(time=LATER), baseline=LATER)
    assert (document["suspects"], document["is_clear"]) == ([], False)
    assert document["window"] == document["baseline"]


def test_requests_that_first_appear_after_the_fault_break_nothing() -> None:
    new = window(replace(HEALTHY, root="POST /refunds"), 30, MIDDLE, 77)
    document = report([*two_windows(Shop(query_ms=60)), *new])
    assert blamed(document) == ("payments", None, "latency")
    only_new = report([*window(HEALTHY, COUNT, START, 1), *new])
    assert not only_new["is_clear"]


def test_more_traffic_alone_is_no_cause() -> None:
    busy = [*two_windows(HEALTHY), *window(HEALTHY, COUNT, MIDDLE + 50 * MS, 5)]
    assert report(busy)["suspects"] == []


def test_two_faults_at_once_are_both_listed_and_not_clear() -> None:
    document = report(two_windows(Shop(query_ms=40, queries=19)))
    found = {(s["service"], s["callee"]) for s in document["suspects"]}
    assert {("payments", None), ("orders", None)} <= found


def test_without_a_baseline_there_is_no_cause_and_it_is_said_why() -> None:
    document = report(window(Shop(query_ms=60), COUNT, MIDDLE, 2))
    assert document["conclusion"] == ("No clear cause: the baseline has too few traces to compare.")
    assert report([])["window"]["matched"] == 0


@settings(max_examples=3)
@given(st.randoms(use_true_random=False))
def test_the_order_of_spans_does_not_matter(random: Any) -> None:
    spans = list(two_windows(Shop(query_ms=30, charge_fails=True, share=0.4), count=20))
    middle = START + 20 * 100 * MS
    time = TimeRange(middle, middle + 20 * 100 * MS)
    expected = report(spans, time)
    random.shuffle(spans)
    assert report(spans, time) == expected


def test_a_window_without_traces_ends_now_and_says_so() -> None:
    late = LATER.end_unix_nano + 3_600_000 * MS
    now = late + 1_000 * MS
    document = report(two_windows(HEALTHY, COUNT), TimeRange(late), now)
    assert document["conclusion"] == "No trace matches."
    assert not document["is_clear"]
    sides = [
        (
            document[side]["start_unix_nano"],
            document[side]["end_unix_nano"],
            document[side]["matched"],
        )
        for side in ("window", "baseline")
    ]
    assert sides == [(late, now, 0), (late - 1_000 * MS, late, 0)]


def test_a_window_that_begins_after_now_has_a_short_baseline() -> None:
    late = LATER.end_unix_nano + 3_600_000 * MS
    document = report(two_windows(HEALTHY, COUNT), TimeRange(late), now=START)
    assert document["window"]["end_unix_nano"] == late + 1
    assert document["baseline"]["start_unix_nano"] == late - 1
