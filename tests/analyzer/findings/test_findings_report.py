"""Findings over many traces: grouped by fault, ranked by what mending saves, settled or not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from longpole.analyzer.findings.groups import FindingGroup
from longpole.analyzer.reports.findings_report import findings_report
from longpole.analyzer.settle import settle_once
from longpole.analyzer.traceql import parse_query
from longpole.formats.rows import telemetry_of_spans
from longpole.model.clock import ManualClock
from longpole.model.span import Span
from longpole.storage.memory import MemoryStore
from tests.analyzer.findings.calls_made import MS, query, request
from tests.analyzer.findings.stories import CLIENT, SERVER, Story

MINUTE = 60_000 * MS


class Kept:
    """A store of requests; each is a trace of its own that starts a minute after the last."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock, 5.0, 60.0)
        self.count = 0

    def keep(self, *requests: list[Span]) -> None:
        for spans in requests:
            self.count += 1
            shift = self.count * MINUTE
            moved = [
                replace(s, trace_id=self.count, start_unix_nano=s.start_unix_nano + shift,
                        end_unix_nano=s.end_unix_nano + shift)
                for s in spans
            ]  # fmt: skip
            self.store.submit(telemetry_of_spans(moved), 0).result()

    def settle(self) -> None:
        self.clock.advance(6)
        while settle_once(self.store, self.clock).traces:
            pass

    def report(self, text: str = "{}", *, with_info: bool = False) -> dict[str, Any]:
        return findings_report(self.store, parse_query(text), with_info=with_info)


def loop(count: int) -> list[Span]:
    """A request with `count` queries of 9 ms in a loop."""
    return request(300, *(query(2 + i, i * 10, 9) for i in range(count)))


def slow(ms: float) -> list[Span]:
    return request(ms + 50, query(2, 0, ms, "SELECT 1 FROM b", name="SELECT b"))


def quiet() -> list[Span]:
    return request(40, query(2, 5, 10))


def test_one_fault_of_many_traces_is_one_entry() -> None:
    kept = Kept()
    kept.keep(loop(6), loop(12), loop(8), quiet())
    kept.settle()
    (entry,) = kept.report()["findings"]
    # All calls but one: 5, 11 and 7 of 9 ms.
    assert entry["saving_ns"] == 23 * 9 * MS
    assert entry["median_saving_ns"] == 7 * 9 * MS
    assert (entry["trace_count"], entry["trace_share"]) == (3, 0.75)
    assert [int(t, 16) for t in entry["trace_ids"]] == [2, 3, 1]
    assert "12 queries" in entry["reason"]
    assert (entry["first_seen_unix_nano"], entry["last_seen_unix_nano"]) == (MINUTE, 3 * MINUTE)
    assert entry["roots"] == [{"service": "orders", "operation": "GET /orders", "trace_count": 3}]


def test_the_fault_that_costs_most_over_all_traces_comes_first() -> None:
    kept = Kept()
    kept.keep(*(loop(12) for _ in range(20)), slow(700), slow(800))
    kept.settle()
    entries = kept.report()["findings"]
    assert [(e["detector"], e["saving_ns"] // MS) for e in entries] == [
        ("n_plus_one_db", 20 * 99),
        ("slow_db_query", 1500),
    ]


def test_unsettled_traces_count_the_same() -> None:
    kept = Kept()
    kept.keep(loop(6), loop(12))
    kept.settle()
    kept.keep(loop(8), slow(900))
    before = kept.report()
    kept.settle()
    after = kept.report()
    assert before["coverage"]["unsettled_explained"] == 2
    assert after["coverage"]["unsettled_explained"] == 0
    assert before["coverage"]["used"] == after["coverage"]["used"] == 4
    assert before["findings"] == after["findings"]
    assert len(after["findings"]) == 2


def test_a_late_span_replaces_the_findings_of_its_trace() -> None:
    kept = Kept()
    kept.keep(loop(12))
    kept.settle()
    assert len(kept.report()["findings"]) == 1
    # It now turns out that something else took all that time: the loop is off the path.
    longer = replace(
        query(99, 0, 290, "SELECT 9 FROM z", name="SELECT z"), trace_id=1,
        start_unix_nano=MINUTE, end_unix_nano=MINUTE + 290 * MS,
    )  # fmt: skip
    kept.store.submit(telemetry_of_spans([longer]), 0).result()
    kept.settle()
    assert kept.report()["findings"] == []
    (info,) = kept.report(with_info=True)["findings"]
    assert (info["severity"], info["saving_ns"]) == ("info", 0)


def test_a_fault_of_one_trace_among_many_is_info() -> None:
    kept = Kept()
    kept.keep(loop(30), *(quiet() for _ in range(40)))
    kept.settle()
    report = kept.report()
    assert (report["findings"], report["info_count"]) == ([], 1)
    assert kept.report(with_info=True)["findings"][0]["severity"] == "info"
    kept.keep(loop(30))
    kept.settle()
    assert kept.report()["findings"][0]["severity"] == "critical"


def test_a_fault_of_the_only_trace_of_its_operation_is_no_coincidence() -> None:
    kept = Kept()
    rare = [replace(s, name="GET /rare") if s.span_id == 1 else s for s in loop(30)]
    kept.keep(rare, *(quiet() for _ in range(40)))
    kept.settle()
    assert kept.report()["findings"][0]["severity"] == "critical"


def test_a_fault_has_the_level_that_is_typical_of_it() -> None:
    kept = Kept()
    kept.keep(*(loop(6) for _ in range(9)), loop(20))
    kept.settle()
    assert kept.report()["findings"][0]["severity"] == "warning"  # one in ten is critical
    kept.keep(loop(20), loop(20))
    kept.settle()
    assert kept.report()["findings"][0]["severity"] == "critical"  # a quarter is


def test_the_query_chooses_the_traces() -> None:
    kept = Kept()
    kept.keep(loop(12), slow(700), slow(800))
    kept.settle()
    report = kept.report('{ name = "SELECT b" }')
    assert [e["detector"] for e in report["findings"]] == ["slow_db_query"]
    assert report["coverage"]["matched"] == 2
    assert kept.report('{ name = "nothing" }')["coverage"]["matched"] == 0


def test_a_healthy_window_is_silent() -> None:
    kept = Kept()
    kept.keep(*(quiet() for _ in range(50)))
    kept.settle()
    report = kept.report(with_info=True)
    assert (report["findings"], report["info_count"], report["notices"]) == ([], 0, [])


def test_settling_stores_what_was_found() -> None:
    kept = Kept()
    kept.keep(loop(12), quiet())
    kept.settle()
    rows = kept.store.derived_table("findings").to_pylist()
    # What runs in no query is the greater part of the request.
    assert [r["detector"] for r in rows] == ["uninstrumented_gap", "n_plus_one_db"]
    row = rows[1]
    assert (row["trace_lo"], row["revision"]) == (1, 1)
    assert (row["severity"], row["saving_ns"]) == ("warning", 99 * MS)
    assert row["span_ids"] == list(range(2, 14))
    assert row["first_seen_unix_nano"] == MINUTE


def test_entries_fit_their_schema() -> None:
    root = Path(__file__).parent.parent.parent.parent
    schema = json.loads((root / "docs" / "schemas" / "findings.json").read_text())
    kept = Kept()
    kept.keep(loop(6), slow(900))
    for entry in kept.report(with_info=True)["findings"]:
        jsonschema.validate(entry, schema)


def test_of_equal_findings_the_one_that_most_spans_show_is_the_example() -> None:
    group = FindingGroup("f", "clock_skew")
    for trace_id, evidence in ((1, 2), (2, 6), (3, 4)):
        group.add(trace_id, "warning", 0, 0, ("a", "GET /"), trace_id * 10, evidence)
    assert group.worst == [(2, 20), (3, 30), (1, 10)]


def skewed(method: str, calls: int) -> list[Span]:
    """A request whose answers come from a host whose clock is half a second ahead."""
    story = Story()
    root = story.add(0, 0, 1_000, "order", "POST /orders", SERVER, host="node-a")
    for at in range(100, 100 + 50 * calls, 50):
        call = story.add(root, at, at + 40, "order", method, CLIENT, host="node-a")
        story.add(
            call, at + 505, at + 535, "stock", f"{method} /stock", SERVER, host="node-b",
            attributes={"http.request.method": method},
        )  # fmt: skip
    return story.spans


@pytest.mark.parametrize("settled", [True, False])
def test_a_trace_that_wrote_under_a_wrong_clock_speaks_for_those_that_read(settled: bool) -> None:
    kept = Kept()
    kept.keep(skewed("GET", 3), skewed("POST", 1), skewed("GET", 3))
    if settled:
        kept.settle()

    entry = next(e for e in kept.report()["findings"] if e["detector"] == "clock_skew")

    assert entry["trace_count"] == 3
    assert entry["operation"] == "POST /stock"
    assert int(entry["trace_ids"][0], 16) == 2
