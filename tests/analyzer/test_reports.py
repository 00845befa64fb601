from __future__ import annotations

import json
from dataclasses import replace

import pytest

from longpole.analyzer.explain import explain
from longpole.analyzer.reports.critical_path_report import critical_path_report
from longpole.analyzer.reports.services_report import services_report
from longpole.analyzer.reports.trace_report import trace_report
from longpole.analyzer.reports.traces_report import traces_report
from longpole.analyzer.settle import settle_once
from longpole.analyzer.traceql import parse_query
from longpole.formats.rows import telemetry_of_spans
from longpole.model.clock import ManualClock
from longpole.model.log import LogRecord
from longpole.model.span import Span, SpanEvent, SpanKind
from longpole.storage.memory import MemoryStore
from tests.analyzer.span_builders import TRACE_ID, span, trace

T0 = 1_700_000_000_000_000_000
SPANS = [
    span(1, 0, T0, T0 + 100, service="web", name="GET /", kind=SpanKind.SERVER),
    replace(
        span(2, 1, T0 + 10, T0 + 60, service="web", name="load", error=True),
        attributes={"n": 3, "raw": b"\x01", "odd": float("nan"), "list": ["a", 1]},
        events=(SpanEvent(T0 + 11, "hit", {"k": True}),),
    ),
    span(3, 1, T0 + 50, T0 + 90, service="web", name="render"),
    span(4, 1, T0 + 300, T0 + 400, service="mail", name="send"),
    span(5, 99, T0, T0 + 7, service="web", name="lost"),
]


def test_the_document_of_a_trace_keeps_its_contract() -> None:
    document = trace_report(explain(trace(SPANS)))
    assert {
        key: document[key]
        for key in ("trace_id", "duration_ns", "span_count", "error_count", "root", "ambiguous_ns")
    } == {
        "trace_id": f"{TRACE_ID:032x}",
        "duration_ns": 100,
        "span_count": 5,
        "error_count": 1,
        "root": {"span_id": "0000000000000001", "service": "web", "operation": "GET /"},
        "ambiguous_ns": 40,
    }
    assert document["completeness"] == {
        "orphans": 1, "headless": False, "late": 0, "skew_shifts": 0, "detached": 1,
        "settled": False, "revision": 0,
    }  # fmt: skip
    assert [list(entry) for entry in document["verdict"]][0] == [
        "service", "operation", "critical_ns", "share", "reason", "advice", "confidence",
        "span_ids", "summary", "detector", "severity",
    ]  # fmt: skip
    assert document["segments"][1] == {
        "span_id": "0000000000000001",
        "service": "web",
        "operation": "GET /",
        "label": "self_overlapped",
        "peer": None,
        "covering": ["0000000000000002"],
        "start_unix_nano": T0 + 10,
        "end_unix_nano": T0 + 50,
    }
    assert document["logs"] == []
    (finding,) = document["findings"]  # `load` fails, and `GET /` goes on as if nothing were
    assert (finding["detector"], finding["severity"]) == ("absorbed_error", "info")
    assert finding["span_ids"][0] == "0000000000000002"
    assert [p["code"] for p in document["problems"]] == ["missing_parent"]


def test_trees_beside_the_primary_one_are_reported_apart() -> None:
    document = trace_report(explain(trace(SPANS)))
    (orphan,), (detached,) = document["orphan_trees"], document["asynchronous"]
    assert (orphan["root"]["operation"], orphan["span_share"]) == ("lost", 0.2)
    assert (detached["root"]["operation"], detached["reason"]) == ("send", "disjoint")
    assert [s["label"] for s in detached["segments"]] == ["self"]


def test_spans_come_in_tree_order_and_only_when_asked_for() -> None:
    tree = trace(SPANS)
    assert "spans" not in trace_report(explain(tree), tree)
    rows = trace_report(explain(tree), tree, include_spans=True)["spans"]
    assert [(r["operation"], r["depth"], r["on_path"], r["critical_ns"]) for r in rows] == [
        ("GET /", 0, True, 60),
        ("load", 1, False, 0),
        ("render", 1, True, 40),
        ("send", 1, False, 0),
        ("lost", 0, False, 0),
    ]
    load = rows[1]
    assert (load["kind"], load["status"], load["duration_ns"]) == ("internal", "error", 50)
    assert load["attributes"] == {"n": 3, "raw": "01", "odd": "NaN", "list": ["a", 1]}
    assert load["events"] == [{"time_unix_nano": T0 + 11, "name": "hit", "attributes": {"k": True}}]


def test_logs_are_part_of_the_document() -> None:
    logs = [
        LogRecord(0, T0 + 5, TRACE_ID, 2, 17, "", "broken", service_name="web"),
        LogRecord(T0, 0, TRACE_ID, 0, 9, "Information", {"a": [b"\x02"]}, service_name="web"),
    ]
    assert trace_report(explain(trace(SPANS)), None, logs)["logs"] == [
        {
            "time_unix_nano": T0 + 5, "severity": "ERROR", "body": "broken",
            "span_id": "0000000000000002", "service": "web",
        },
        {
            "time_unix_nano": T0, "severity": "Information", "body": '{"a": ["02"]}',
            "span_id": None, "service": "web",
        },
    ]  # fmt: skip


def test_the_document_is_json() -> None:
    tree = trace(SPANS)
    document = trace_report(explain(tree), tree, include_spans=True)
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def request(number: int, length: int, parent: int = 0) -> list[Span]:
    start = T0 + number * 1000
    spans = [
        span(1, parent, start, start + length, service="web", name="GET /"),
        span(2, 1, start, start + length // 2, service="db", name="q"),
    ]
    return [replace(s, trace_id=number) for s in spans]


class Shop:
    """A store with traces 1 to 6 settled and 7 to 9 not."""

    def __init__(self) -> None:
        self.clock = ManualClock(T0)
        self.store = MemoryStore(self.clock)
        for number in range(1, 7):
            self.put(request(number, 100 * number, parent=88 if number == 2 else 0))
        self.clock.advance(10)
        settle_once(self.store, self.clock)
        for number in range(7, 10):
            self.put(request(number, 100 * number, parent=88 if number == 9 else 0))

    def put(self, spans: list[Span]) -> None:
        self.store.submit(telemetry_of_spans(spans), self.clock.now_unix_nano()).result(0)


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_path_time_of_settled_and_unsettled_traces_adds_up(shop: Shop) -> None:
    report = critical_path_report(shop.store, parse_query("{}"))
    assert report == critical_path_report(shop.store, parse_query("{}"), most_apart=0) | {
        "notices": []
    }
    assert report["coverage"] == {
        "matched": 9, "used": 9, "unsettled_explained": 3, "incomplete": 2, "late": 0,
    }  # fmt: skip
    assert report["roots"] == {
        "trace_count": 9, "duration_sum_ns": 4500,
        "p50_ns": 500, "p95_ns": 900, "p99_ns": 900, "max_ns": 900, "mean_ns": 500,
    }  # fmt: skip
    assert report["groups"] == [
        {
            "service": service, "operation": operation, "label": "self", "critical_ns": 2250,
            "share": 0.5, "segment_count": 9, "trace_count": 9, "mean_ns": 250,
        }
        for service, operation in (("db", "q"), ("web", "GET /"))
    ]  # fmt: skip


def test_the_report_is_the_same_before_and_after_settling(shop: Shop) -> None:
    query = parse_query("{ traceDuration > 300ns }", limit=2)
    before = critical_path_report(shop.store, query, ("service",))
    shop.clock.advance(10)
    settle_once(shop.store, shop.clock)
    after = critical_path_report(shop.store, query, ("service",))
    assert before["coverage"].pop("unsettled_explained") == 3
    assert after["coverage"].pop("unsettled_explained") == 0
    assert before == after
    assert after["coverage"]["matched"] == 6  # the limit does not apply


def test_a_late_span_replaces_the_path(shop: Shop) -> None:
    late = replace(span(3, 1, T0 + 1050, T0 + 1100, service="late", name="x"), trace_id=1)
    shop.put([late])
    for _ in range(2):
        report = critical_path_report(shop.store, parse_query("{ trace:duration = 100ns }"))
        assert {g["service"]: g["critical_ns"] for g in report["groups"]} == {"db": 50, "late": 50}
        assert report["coverage"]["late"] == 1
        shop.clock.advance(10)
        settle_once(shop.store, shop.clock)


def test_percentiles_are_left_out_rather_than_made_of_a_part(shop: Shop) -> None:
    class Terse:
        def __getattr__(self, name: str) -> object:
            return getattr(shop.store, name)

        def path_totals(self, *asked: object) -> object:
            totals = shop.store.path_totals(*asked)  # type: ignore[arg-type]
            return replace(totals, root_durations_ns=None)

    report = critical_path_report(Terse(), parse_query("{}"), most_apart=0)  # type: ignore[arg-type]
    assert (report["roots"]["trace_count"], report["roots"]["duration_sum_ns"]) == (9, 4500)
    assert report["roots"]["p50_ns"] is None
    assert "percentiles are missing" in report["notices"][-1]


def test_an_unknown_group_is_refused(shop: Shop) -> None:
    with pytest.raises(ValueError, match="cannot group by 'colour'"):
        critical_path_report(shop.store, parse_query("{}"), ("colour",))


def test_listed_traces_have_verdicts_settled_or_not(shop: Shop) -> None:
    report = traces_report(shop.store, parse_query("{}", limit=4))
    assert report["is_truncated"]
    assert [(r["trace_id"][-1], r["is_settled"]) for r in report["traces"]] == [
        ("9", False), ("8", False), ("7", False), ("6", True),
    ]  # fmt: skip
    for row in report["traces"]:
        assert row["verdict"] == (
            "nothing unusual; 50 % in web › GET / (own time between child spans)"
        )
        assert row["root_operation"] == "GET /"
    assert [r["headless"] for r in report["traces"]] == [True, False, False, False]


def test_services_come_with_operations_and_error_shares(shop: Shop) -> None:
    (db, web) = services_report(shop.store)["services"]
    assert (db["name"], db["span_count"], db["operations"]) == ("db", 9, ["q"])
    assert (web["name"], web["error_share"]) == ("web", 0.0)


def test_spans_that_differ_only_in_attributes_show_their_own() -> None:
    spans = [span(5, 1, 2, 4, name="x", attributes={"n": n}) for n in (3, 1, 2)]
    tree = trace([span(1, 0, 0, 9), *spans])
    rows = trace_report(explain(tree), tree, include_spans=True)["spans"]
    assert [row["attributes"] for row in rows] == [{}, {"n": 1}, {"n": 2}, {"n": 3}]
    turned = trace(reversed(tree.spans))
    assert trace_report(explain(turned), turned, include_spans=True)["spans"] == rows
