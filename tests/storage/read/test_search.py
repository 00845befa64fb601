"""Searches over several segments: what is read, what is not, and what comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.duckdb.read import ordered_search
from longpole.storage.duckdb.read.reader import Reader
from longpole.storage.search_ports import TraceOrder
from tests.storage.read.segment_files import HandMadeSource, Row

NAMED = Condition(Field.NAME, Comparison.EQ, "op")


def span(number: int, trace: int, start: int, **fields: Any) -> Row:
    return {"row_id": number, "trace_hi": 1, "trace_lo": trace, "span_id": number, "name": "op",
            "start_unix_nano": start, "duration_ns": 10, **fields}  # fmt: skip


def traces_of(source: HandMadeSource, *conditions: Condition, **fields: Any) -> list[int]:
    found = Reader(source).find_traces(TraceQuery(conditions, **fields))
    return [int(low) for low in found.traces["trace_lo"].to_pylist()]


def with_segments(folder: Path, *segments: list[Row]) -> HandMadeSource:
    source = HandMadeSource(folder)
    for rows in segments:
        source.add_segment(spans=rows)
        source.pending |= {1 << 64 | row["trace_lo"] for row in rows}
    return source


def test_a_limit_leaves_older_segments_unread(tmp_path: Path) -> None:
    source = with_segments(tmp_path, [span(1, 1, 100)], [span(2, 2, 900), span(3, 3, 950)])
    with duckdb.connect(str(source.segments[0].path)) as older:
        older.execute("DROP TABLE spans")  # reading it would raise
    assert traces_of(source, NAMED, limit=1) == [3]


def test_an_older_segment_is_read_while_the_limit_is_not_reached(tmp_path: Path) -> None:
    source = with_segments(tmp_path, [span(1, 1, 100)], [span(2, 2, 900), span(3, 3, 950)])
    assert traces_of(source, NAMED, limit=2) == [3, 2]
    assert traces_of(source, NAMED, limit=3) == [3, 2, 1]


def test_a_trace_is_placed_by_its_root_whichever_segment_matched(tmp_path: Path) -> None:
    source = with_segments(
        tmp_path,
        [span(1, 1, 100, duration_ns=900), span(2, 2, 500)],
        [span(3, 1, 910, parent_span_id=1, name="child")],
    )
    child = Condition(Field.NAME, Comparison.EQ, "child")
    found = Reader(source).find_traces(TraceQuery((child,)))
    row = found.traces.to_pylist()[0]
    assert (row["trace_lo"], row["start_unix_nano"], row["span_count"]) == (1, 100, 2)
    assert traces_of(source, time=TimeRange(0, 1000)) == [2, 1]


def test_segments_outside_the_time_are_not_read(tmp_path: Path) -> None:
    source = with_segments(tmp_path, [span(1, 1, 100)], [span(2, 2, 900)])
    with duckdb.connect(str(source.segments[1].path)) as newer:
        newer.execute("DROP TABLE spans")
    source.pending = {1 << 64 | 1}
    assert source.segments[1].min_unix_nano == 900
    ids = Reader(source).path_totals(TraceQuery(time=TimeRange(0, 900)), []).unsettled
    assert ids == (1 << 64 | 1,)


def test_a_trace_by_id_reads_only_segments_that_may_hold_it(tmp_path: Path) -> None:
    source = with_segments(tmp_path, [span(1, 1, 100)], [span(2, 2, 900)])
    with duckdb.connect(str(source.segments[1].path)) as newer:
        newer.execute("DROP TABLE spans")
    trace = Reader(source).trace(1 << 64 | 1)
    assert trace is not None
    assert [one.span_id for one in trace.spans] == [1]


def test_an_answer_during_replay_says_so(tmp_path: Path) -> None:
    source = with_segments(tmp_path, [span(1, 1, 100)])
    source.is_replayed = False
    assert "replayed" in Reader(source).find_traces(TraceQuery()).notices[0]
    assert "replayed" in Reader(source).sql("SELECT 1").notices[0]
    assert "replayed" in Reader(source).path_totals(TraceQuery(), []).notices[0]


def test_every_answer_says_what_was_lost(tmp_path: Path) -> None:
    source = with_segments(tmp_path, [span(1, 1, 100)])
    source.losses = ("segment 7 is gone: 300 spans are missing",)
    assert Reader(source).find_traces(TraceQuery()).notices == source.losses
    assert Reader(source).sql("SELECT 1").notices == source.losses
    assert Reader(source).sql("SHOW TABLES").notices == source.losses
    assert Reader(source).path_totals(TraceQuery(), []).notices == source.losses


@pytest.mark.parametrize(("sealed_at", "expected"), [(100, [3, 2]), (950, [3, 1])])
def test_of_many_traces_that_wait_the_newest_are_searched_wherever_their_spans_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sealed_at: int, expected: list[int]
) -> None:
    monkeypatch.setattr(ordered_search, "MOST_UNSETTLED", 2)
    source = with_segments(tmp_path, [span(1, 1, sealed_at)])
    source.add_hot(spans=[span(2, 2, 900), span(3, 3, 960), span(4, 4, 800), span(5, 3, 970)])
    source.pending |= {1 << 64 | trace for trace in (2, 3, 4)}
    answer = Reader(source).search_traces(TraceQuery(), TraceOrder.NEWEST, TimeRange(), 9, 9)
    assert answer.traces["trace_lo"].to_pylist() == expected
    assert answer.notices[0].startswith("2 older traces")
