"""Reports over path times: rows and trees that add up, settled or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analyzer.reports import call_steps as call_steps_module
from longpole.analyzer.reports.call_tree_report import call_tree_report
from longpole.analyzer.reports.critical_path_report import critical_path_report
from longpole.analyzer.reports.path_times_report import Explain, path_times_report
from longpole.analyzer.settle import settle_once
from longpole.formats.rows import telemetry_of_spans
from longpole.model.clock import ManualClock
from longpole.model.query import TraceQuery
from longpole.model.span import SpanKind
from longpole.model.trace import Trace
from longpole.storage.memory import MemoryStore
from tests.analyzer.random_times import many_traces
from tests.analyzer.span_builders import span

EVERYTHING = TraceQuery(limit=None)
T0 = 1_700_000_000_000_000_000


def store_of(traces: Sequence[Trace], settled: int) -> MemoryStore:
    """A store in which so many of these traces, the first ones, are settled."""
    clock = ManualClock(T0)
    store = MemoryStore(clock, 0.0, 0.0)
    for part in (traces[:settled], traces[settled:]):
        spans = [one for trace in part for one in trace.spans]
        if spans:
            store.submit(telemetry_of_spans(spans), clock.now_unix_nano()).result(0)
        if part is not traces[settled:]:
            while settled and settle_once(store, clock).traces:
                pass
        clock.advance(10)
    return store


def shop(count: int = 40) -> list[Trace]:
    """Requests of which every tenth waits long for the database, and short ones of a second
    operation."""
    traces = []
    for number in range(1, count + 1):
        slow = 800 if number % 10 == 0 else 0
        start = T0 + number * 10_000
        spans = [
            span(1, 0, start, start + 300 + slow + number, service="web", name="GET /"),
            span(2, 1, start + 10, start + 200 + slow, service="web", name="call", kind=3),
            span(3, 2, start + 20, start + 190 + slow, service="cart", name="price", kind=2),
            span(
                4, 3, start + 30, start + 60 + slow, service="cart", name="SELECT",
                kind=SpanKind.CLIENT, attributes={"peer.service": "db"},
            ),
        ]  # fmt: skip
        if number % 2:
            spans = [span(1, 0, start, start + 50, service="web", name="GET /ping")]
        traces.append(Trace(number, tuple(replace(s, trace_id=number) for s in spans)))
    return traces


@settings(max_examples=30)
@given(many_traces(), st.integers(0, 25), st.sampled_from(list(Explain)))
def test_rows_add_up_to_what_they_explain(
    traces: list[Trace], settled: int, explain: Explain
) -> None:
    store = store_of(traces, settled)
    report = path_times_report(store, EVERYTHING, ("service", "edge"), None, explain)
    rows = report["groups"]
    assert sum(row["critical_ns"] for row in rows) == report["roots"]["duration_sum_ns"]
    assert sum(row["mean_ns"] for row in rows) == report["roots"]["mean_ns"]
    if report.get("tail"):
        for name in ("typical_ns", "slow_ns"):
            assert sum(row[name] for row in rows) == report["tail"][name]
        differences = [row["slow_difference_ns"] for row in rows]
        assert sum(differences) == report["tail"]["difference_ns"]
        assert differences == sorted(differences, reverse=True)
    if explain is Explain.VARIANCE:
        assert sum(row["deviation_ns"] for row in rows) == report["variance"]["deviation_ns"]


@settings(max_examples=30)
@given(many_traces(), st.integers(0, 25))
def test_the_tree_adds_up_and_nothing_in_it_is_unknown(traces: list[Trace], settled: int) -> None:
    report = call_tree_report(store_of(traces, settled), EVERYTHING)
    nodes, total = report["tree"], report["roots"]["duration_sum_ns"]
    assert report["unexplained"] == {"call_path_count": 0, "critical_ns": 0}
    assert sum(node["exclusive_ns"] for node in nodes) == total
    assert sum(node["inclusive_ns"] for node in nodes if not node["depth"]) == total
    for place, node in enumerate(nodes):
        assert sum(node["labels"].values()) == node["exclusive_ns"]
        below = 0
        for other in nodes[place + 1 :]:
            if other["depth"] <= node["depth"]:
                break
            below += other["inclusive_ns"] if other["depth"] == node["depth"] + 1 else 0
        assert node["inclusive_ns"] == node["exclusive_ns"] + below


def test_the_tail_names_what_slow_requests_wait_for() -> None:
    report = path_times_report(
        store_of(shop(200), 200), EVERYTHING, ("service", "edge"), None, Explain.TAIL
    )
    first = report["groups"][0]
    assert (first["service"], first["edge"]) == ("cart", "cart -> db")
    assert first["slow_difference_ns"] == 400  # half of the slow ones are pings
    assert (report["tail"]["slow_count"], report["tail"]["left_out"]) == (10, 0)
    assert report["tail"]["difference_ns"] >= 400


def test_a_mix_of_operations_is_not_taken_for_a_tail() -> None:
    quick = [one for one in shop(40) if len(one.spans) == 1]
    calm = [one for one in shop(40) if len(one.spans) > 1 and one.trace_id % 10]
    report = path_times_report(store_of(quick + calm, 40), EVERYTHING, ("service",))
    assert report["tail"]["difference_ns"] < 40
    assert report["roots"]["max_ns"] - report["roots"]["p50_ns"] > 200


def test_too_few_traces_have_no_tail() -> None:
    report = path_times_report(store_of(shop(6), 6), EVERYTHING, ("service",))
    assert report["tail"] is None
    assert "slow_ns" not in report["groups"][0]


def test_call_paths_are_chains_from_the_root() -> None:
    report = path_times_report(store_of(shop(), 20), EVERYTHING, ("call_path",))
    chains = {
        tuple(call["operation"] for call in row["call_path"]): row["critical_ns"]
        for row in report["groups"]
    }
    assert set(chains) == {
        ("GET /",), ("GET /", "call"), ("GET /", "call", "price"),
        ("GET /", "call", "price", "SELECT"), ("GET /ping",),
    }  # fmt: skip
    assert chains["GET /", "call", "price", "SELECT"] == 16 * 30 + 4 * 830
    ids = [row["call_path_id"] for row in report["groups"]]
    assert len(set(ids)) == len(ids) == 5


def test_what_cannot_be_read_again_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_steps_module, "MOST_TRACES", 0)
    report = call_tree_report(store_of(shop(), 40), EVERYTHING)
    assert report["tree"] == []
    assert report["unexplained"] == {
        "call_path_count": 5,
        "critical_ns": report["roots"]["duration_sum_ns"],
    }
    rows = path_times_report(store_of(shop(), 40), EVERYTHING, ("call_path",))["groups"]
    assert [row["call_path"] for row in rows] == [None] * 5


def test_a_few_traces_explain_all_call_paths() -> None:
    store = store_of(shop(400), 400)
    asked: list[int] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def whole_traces(self, ids: Sequence[int], attributes: Sequence[str]) -> Any:
            asked.extend(ids)
            return store.whole_traces(ids, attributes)

    report = call_tree_report(Counting(), EVERYTHING)
    assert report["unexplained"]["call_path_count"] == 0
    assert len(asked) <= 4


def test_unasked_a_great_many_traces_are_not_set_apart() -> None:
    store = store_of(shop(), 40)
    report = critical_path_report(store, EVERYTHING, ("service",), most_apart=39)
    assert report["tail"] is None
    assert "explain=tail" in report["notices"][0]
    assert critical_path_report(store, EVERYTHING, ("service",), most_apart=40)["tail"]
