"""The verdict of one service over all its traces."""

from __future__ import annotations

from typing import Any

from longpole.analyzer.reports.service_verdict import service_verdict
from longpole.model.timerange import TimeRange
from tests.analyzer.findings.calls_made import MS
from tests.analyzer.findings.test_findings_report import MINUTE, Kept, loop, quiet, slow


def told(kept: Kept, service: str = "orders", time: TimeRange | None = None) -> dict[str, Any]:
    document = service_verdict(kept.store, service, time)
    assert document is not None
    return document


def test_a_service_is_judged_by_what_costs_it_most_over_many_traces() -> None:
    kept = Kept()
    kept.keep(*(loop(12) for _ in range(20)), slow(700), slow(800))
    kept.settle()
    document = told(kept)
    assert [(e["detector"], e["severity"]) for e in document["verdict"]] == [
        ("n_plus_one_db", "warning"),
        ("slow_db_query", "warning"),
    ]
    first = document["verdict"][0]
    assert first["critical_ns"] == 20 * 12 * 9 * MS
    assert first["reason"].endswith("Seen in 20 traces (91 % of GET /orders).")
    assert document["verdict_line"].startswith(f"{first['operation']}: n_plus_one_db: 12 queries")
    assert document["is_unusual"]


def test_shares_are_of_all_traces_of_the_service() -> None:
    kept = Kept()
    kept.keep(loop(12), quiet())
    kept.settle()
    document = told(kept)
    assert document["trace_count"] == 2
    assert document["duration_sum_ns"] == 340 * MS
    assert document["critical_ns"] == 340 * MS  # nobody else takes part
    assert document["share"] == 1.0


def test_a_service_without_warnings_is_not_unusual() -> None:
    kept = Kept()
    kept.keep(quiet(), quiet())
    kept.settle()
    document = told(kept)
    assert not document["is_unusual"]
    (entry,) = document["verdict"]
    assert (entry["operation"], entry["detector"]) == ("GET /orders", None)
    assert document["verdict_line"] == (
        "nothing unusual; most time in GET /orders (100 % of the path)"
    )


def test_only_the_time_asked_for_counts() -> None:
    kept = Kept()
    kept.keep(loop(12), quiet(), quiet())
    kept.settle()
    later = TimeRange(2 * MINUTE, 9 * MINUTE)
    assert told(kept)["trace_count"] == 3
    assert not told(kept, time=later)["is_unusual"]
    assert told(kept, time=later)["trace_count"] == 2


def test_traces_that_have_not_settled_count_too() -> None:
    kept = Kept()
    kept.keep(loop(12), slow(900))
    before = told(kept)
    kept.settle()
    after = told(kept)
    assert before["coverage"]["unsettled_explained"] == 2
    assert before["verdict"] == after["verdict"]


def test_an_unknown_service_has_no_verdict() -> None:
    kept = Kept()
    kept.keep(quiet())
    kept.settle()
    assert service_verdict(kept.store, "nobody") is None
