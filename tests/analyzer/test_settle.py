from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longpole.analyzer import settle_round
from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.findings.detect import detect
from longpole.analyzer.path_spans import (
    ANALYSIS_ATTRIBUTES,
    PathSpans,
    spans_of_trace,
    spans_of_whole_traces,
)
from longpole.analyzer.settle import settle_once
from longpole.analyzer.verdict import verdict_of
from longpole.model import columns
from longpole.model.clock import ManualClock
from longpole.model.span import Span, SpanKind
from longpole.model.trace import Trace
from longpole.storage.ports import WholeTraces
from tests.analyzer.arrow_traces import ListFeed, whole_traces
from tests.analyzer.random_trees import any_spans, copied_spans, trees
from tests.analyzer.span_builders import span
from tests.effort import examples

S = 1_000_000_000


def numbered(number: int, *spans: Span) -> Trace:
    return Trace(number, tuple(replace(s, trace_id=number) for s in spans))


ONE = numbered(
    7,
    span(1, 0, 0, 30 * S, service="web", name="GET /", kind=SpanKind.SERVER),
    span(2, 1, 2 * S, 9 * S, service="web", name="load", error=True),
    span(3, 1, 10 * S, 12 * S, service="db", name="q", kind=SpanKind.CLIENT),
)
TWO = numbered(1 << 100, span(1, 5, 0, 100))


def test_nothing_quiet_means_nothing_put() -> None:
    feed = ListFeed([])
    assert settle_once(feed, ManualClock()).traces == 0
    assert feed.put == []


def test_a_round_settles_quiet_traces_up_to_its_limit() -> None:
    feed = ListFeed([ONE, TWO])
    done = settle_once(feed, ManualClock(), limit=1)
    assert (done.traces, done.spans, feed.pending_traces()) == (1, 3, 1)
    assert settle_once(feed, ManualClock(), limit=1).traces == 1
    assert feed.pending_traces() == 0


def test_derived_tables_have_the_contracted_columns() -> None:
    feed = ListFeed([ONE, TWO])
    settle_once(feed, ManualClock())
    for name, schema in columns.DERIVED_TABLES.items():
        assert feed.put[0].tables[name].schema == schema


def test_a_trace_row_sums_its_trace_up() -> None:
    feed = ListFeed([replace(ONE, revision=4, late=2), TWO])
    settle_once(feed, ManualClock())
    first, second = feed.put[0].tables["traces"].to_pylist()
    assert first == {
        "trace_hi": 0, "trace_lo": 7, "revision": 5, "root_span_id": 1,
        "root_service": "web", "root_operation": "GET /", "start_unix_nano": 0,
        "duration_ns": 30 * S, "span_count": 3, "error_count": 1, "service_count": 2,
        "orphans": 0, "headless": False, "late": 2, "skew_shifts": 0, "detached": 0,
        "ambiguous_ns": 0, "verdict": first["verdict"], "clocks": "",
    }  # fmt: skip
    assert first["verdict"].startswith("web › GET / 70 %: uninstrumented_gap: web spends 21 s")
    assert (second["trace_hi"], second["trace_lo"]) == (1 << 36, 0)
    assert (second["orphans"], second["headless"]) == (1, True)


def test_segments_of_every_trace_add_up_to_its_root() -> None:
    feed = ListFeed([ONE, TWO])
    settle_once(feed, ManualClock())
    tables = feed.put[0].tables
    for row in tables["traces"].to_pylist():
        mine = [s for s in tables["path_segments"].to_pylist() if s["trace_lo"] == row["trace_lo"]]
        assert sum(s["end_unix_nano"] - s["start_unix_nano"] for s in mine) == row["duration_ns"]
        assert {s["root_operation"] for s in mine} == {row["root_operation"]}


def test_red_rows_count_each_span_once_in_the_step_of_its_end() -> None:
    feed = ListFeed([ONE])
    settle_once(feed, ManualClock())
    rows = feed.put[0].tables["red"].to_pylist()
    found = [
        (r["operation"], r["step_unix_nano"] // S, r["count"], r["errors"], r["critical_ns"] // S)
        for r in rows
    ]
    assert sorted(found) == [("GET /", 30, 1, 0, 21), ("load", 0, 1, 1, 7), ("q", 10, 1, 0, 2)]
    load = next(r for r in rows if r["operation"] == "load")
    assert load["bucket_counts"] == [0] * 14 + [1, 0, 0]  # 7 s is above 5 s and below 10 s
    assert load["duration_sum_ns"] == 7 * S


@examples(40, 100)
@given(any_spans())
def test_any_trace_can_be_settled(odd: Trace) -> None:
    feed = ListFeed([numbered(9, *odd.spans)] if odd.spans else [])
    assert settle_once(feed, ManualClock()).traces == len(feed.put)
    for rows in feed.put:
        (row,) = rows.tables["traces"].to_pylist()
        assert sum(r["critical_ns"] for r in rows.tables["red"].to_pylist()) == row["duration_ns"]


@examples(100, 400)
@given(st.one_of(trees(), copied_spans()))
def test_columns_and_objects_are_explained_alike(tree: Trace) -> None:
    ((_, spans),) = spans_of_whole_traces(whole_traces([tree], ANALYSIS_ATTRIBUTES))
    from_columns, from_objects = explain(spans), explain(spans_of_trace(tree))
    assert from_columns.spans.ends == from_objects.spans.ends
    assert from_columns.segments == from_objects.segments
    told = [verdict_of(e, detect(e)) for e in (from_columns, from_objects)]
    assert told[0] == told[1]
    assert from_columns.problems == from_objects.problems
    assert from_columns.detached == from_objects.detached


def test_an_end_beyond_64_bits_of_duration_is_the_one_that_was_sent() -> None:
    odd = numbered(9, span(1, 0, -(1 << 63), (1 << 63) - 1))
    ((_, spans),) = spans_of_whole_traces(whole_traces([odd], ()))
    assert spans.ends == [(1 << 63) - 1]
    assert explain(spans).duration_ns == explain(odd).duration_ns == (1 << 63) - 1


def test_problems_are_added_up_over_the_round() -> None:
    feed = ListFeed([numbered(n, span(1, 0, 9, 3), span(2, 1, 5, 4)) for n in (1, 2)])
    done = settle_once(feed, ManualClock())
    assert [(p.code, p.count) for p in done.problems] == [("end_before_start", 4)]


def test_a_bug_in_the_analysis_of_one_trace_does_not_hold_up_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def explain_or_break(spans: PathSpans, *_: object) -> Explanation:
        if spans.trace_id == 7:
            raise RuntimeError("a bug")
        return explain(spans)

    monkeypatch.setattr(settle_round, "explain", explain_or_break)
    feed = ListFeed([ONE, TWO])
    done = settle_once(feed, ManualClock())
    assert (done.traces, feed.pending_traces()) == (2, 0)
    assert [(p.code, p.count) for p in done.problems][0] == ("analysis_failed", 1)
    broken, fine = feed.put[0].tables["traces"].to_pylist()
    assert broken["duration_ns"] == 30 * S
    assert "could not be analysed" in broken["verdict"]
    segments = feed.put[0].tables["path_segments"].to_pylist()
    assert [(s["label"], s["operation"]) for s in segments if s["trace_lo"] == 7] == [
        ("self", "GET /")
    ]
    assert fine["verdict"]


def test_what_storage_raises_goes_through() -> None:
    class Failing(ListFeed):
        def quiet_traces(self, limit: int, attributes: object) -> WholeTraces:
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        settle_once(Failing([ONE]), ManualClock())
