"""When a trace is unusual without a finding: it failed, or it is plainly slower than its like."""

from __future__ import annotations

from typing import Any

import pytest

from longpole.dashboards.run_words import slower_words
from longpole.model.span import Span
from tests.dashboards.web import HEX, START, TRACE_ID, Web, span

MS, S = 10**6, 10**9


def run(duration_ms: int, trace_id: int = TRACE_ID, **fields: Any) -> Span:
    """A trace of one span, some seconds before the others when it has another id."""
    start = START - (trace_id != TRACE_ID) * 10 * S
    return span(
        1, name="GET /", service_name="web", trace_id=trace_id, start_unix_nano=start,
        end_unix_nano=start + duration_ms * MS, **fields,
    )  # fmt: skip


def others(count: int, duration_ms: int = 10) -> list[Span]:
    return [run(duration_ms, trace_id=n) for n in range(1, count + 1)]


def test_a_trace_far_slower_than_its_like_is_not_said_to_be_usual() -> None:
    web = Web([run(40), *others(75)])
    page = web.get(f"/traces/{HEX}").text
    assert "Slower than usual, no known pattern. Most time:" in page
    assert "Nothing unusual" not in page
    assert "slower than all 75 other runs (typical 10 ms)" in page.replace("\u202f", " ")
    report = web.get(f"/api/v1/traces/{HEX}").json()
    assert report["is_unusual"]
    assert report["verdict_line"].startswith("slower than usual, no known pattern; 100 % in web")
    rows = web.get("/api/v1/search?since=900000h").json()["traces"]
    slow = [row["trace_id"] for row in rows if row["verdict"].startswith("slower than usual")]
    assert slow == [HEX]


@pytest.mark.parametrize(
    ("duration_ms", "count"), [(10, 75), (25, 75), (40, 29)], ids=["alike", "a bit slower", "few"]
)
def test_a_trace_that_may_well_be_usual_stays_silent(duration_ms: int, count: int) -> None:
    web = Web([run(duration_ms), *others(count)])
    assert "Nothing unusual. Most time:" in web.get(f"/traces/{HEX}").text
    assert not web.get(f"/api/v1/traces/{HEX}").json()["is_unusual"]


@pytest.mark.parametrize(("tail_ms", "is_unusual"), [(15, True), (30, False)])
def test_a_slow_trace_of_an_operation_with_a_long_tail_is_usual(
    tail_ms: int, is_unusual: bool
) -> None:
    tail = [run(tail_ms, trace_id=n) for n in range(501, 511)]
    web = Web([run(40), *others(120), *tail])
    assert web.get(f"/api/v1/traces/{HEX}").json()["is_unusual"] is is_unusual


def test_a_root_is_compared_with_roots_and_not_with_inner_spans_of_its_operation() -> None:
    inner = [
        span(n, 1, name="GET /", service_name="web", trace_id=500, end_unix_nano=START + MS)
        for n in range(2, 50)
    ]
    outer = span(1, name="other", service_name="web", trace_id=500, end_unix_nano=START + S)
    web = Web([run(40), *others(5, 60), outer, *inner])
    usual = web.get(f"/api/v1/traces/{HEX}").json()["usual"]
    assert (usual["others"], usual["faster_share_low"], usual["now"]["p50_ns"]) == (5, 0, 60 * MS)
    assert web.get(f"/api/v1/traces/{HEX}/spans/{1:016x}").json()["usual"]["others"] == 5


def test_a_trace_that_failed_is_not_said_to_be_usual() -> None:
    web = Web([run(10, status_code=2), *others(75)])
    page = web.get(f"/traces/{HEX}").text
    assert "Failed, no known pattern. Most time:" in page
    found = web.get("/api/v1/search?since=900000h&with=causes").json()["causes"]
    assert [(one["failure"], one["count"]) for one in found] == [("root", 1), (None, 75)]
    listed = web.get("/traces?from=2026-01-01&to=2026-01-03&group=cause").text
    assert "failed, no known pattern, most time in" in listed


def test_an_error_on_the_path_is_told_and_one_beside_it_is_not() -> None:
    root = span(1, name="GET /", end_unix_nano=START + 10 * MS)
    slow = span(2, 1, end_unix_nano=START + 9 * MS, status_code=2)
    brief = span(3, 1, start_unix_nano=START + 2 * MS, end_unix_nano=START + 3 * MS, status_code=2)
    on, beside = Web([root, slow]), Web([root, span(2, 1, end_unix_nano=START + 9 * MS), brief])
    assert "Errors on the critical path, no known pattern" in on.get(f"/traces/{HEX}").text
    assert "Nothing unusual" in beside.get(f"/traces/{HEX}").text


@pytest.mark.parametrize(
    ("low", "count", "words"),
    [
        (1.0, 75, "slower than all 75 other runs"),
        (0.9975, 400, "slower than 99.7 % of 400 other runs"),
        (0.99999, 100_000, "slower than 99.9 % of 100,000 other runs"),
        (0.75, 4, "slower than 75 % of 4 other runs"),
        (0.25, 4, "4 other runs"),
    ],
)
def test_a_rank_says_all_only_of_all(low: float, count: int, words: str) -> None:
    assert slower_words({"faster_share_low": low, "others": count}) == words
