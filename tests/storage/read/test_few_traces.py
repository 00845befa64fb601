"""Rows of a few traces are found in a big segment, and values wherever a span keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.duckdb.read.reader import Reader
from longpole.storage.duckdb.read.trace_rows import STRIDE
from longpole.storage.search_ports import SpanKey, TraceOrder
from tests.storage.read.segment_files import HandMadeSource, Row

SERVICE = SpanKey(Field.SERVICE)


def segments_of(hi: int, lo: int, count: int) -> list[Row]:
    return [
        {"trace_hi": hi, "trace_lo": lo, "revision": 1, "label": f"{lo}-{n}",
         "start_unix_nano": n, "end_unix_nano": 10 * n}
        for n in range(1, count + 1)
    ]  # fmt: skip


def labels(reader: Reader, ids: list[int], most: int = 100) -> list[str]:
    return [str(label) for label in reader.path_segments(ids, most)["label"].to_pylist()]


@pytest.mark.parametrize("hi", [0, 7])
def test_the_whole_path_of_each_trace_is_found_among_many(tmp_path: Path, hi: int) -> None:
    # Traces of 1 to 2 * STRIDE segments, so that some begin and end on a row that is kept.
    counts = {lo: 1 + lo * 5 % (2 * STRIDE) for lo in range(1, 100)}
    source = HandMadeSource(tmp_path)
    rows = [row for lo, count in counts.items() for row in segments_of(hi, lo, count)]
    source.add_segment(path_segments=rows)
    reader = Reader(source)
    for lo, count in list(counts.items())[::9]:
        assert labels(reader, [hi << 64 | lo]) == [f"{lo}-{n}" for n in range(1, count + 1)]
    asked = [hi << 64 | lo for lo in (99, 3, 50)]
    assert len(labels(reader, asked)) == counts[99] + counts[3] + counts[50]
    assert labels(reader, [hi << 64 | 1000]) == []


def test_the_path_of_many_traces_is_that_of_each(tmp_path: Path) -> None:
    source = HandMadeSource(tmp_path)
    source.add_segment(path_segments=[r for lo in range(1, 701) for r in segments_of(9, lo, 3)])
    reader = Reader(source)
    ids = [9 << 64 | lo for lo in range(1, 701)]
    longest = [f"{lo}-{n}" for lo in range(1, 701) for n in (2, 3)]
    assert labels(reader, ids, most=2) == longest
    assert [label for one in ids[:5] for label in labels(reader, [one], most=2)] == longest[:10]


def test_a_segment_in_another_order_is_read_as_a_whole(tmp_path: Path) -> None:
    source = HandMadeSource(tmp_path)
    rows = [row for lo in range(1, 80) for row in segments_of(0, lo, 2)]
    source.add_segment(path_segments=rows)
    with duckdb.connect(str(source.segments[0].path)) as file:
        file.execute("CREATE TABLE turned AS SELECT * FROM path_segments ORDER BY trace_lo DESC")
        file.execute("DROP TABLE path_segments")
        file.execute("ALTER TABLE turned RENAME TO path_segments")
    assert labels(Reader(source), [1, 79]) == ["1-1", "1-2", "79-1", "79-2"]


def span(number: int, **attributes: Any) -> Row:
    known = dict.fromkeys(("row_id", "trace_lo", "span_id", "start_unix_nano"), number)
    return {**known, "trace_hi": 1, "service_name": "shop", "attributes": attributes}


def test_values_of_other_types_than_the_usual_one_are_counted_in_every_segment(
    tmp_path: Path,
) -> None:
    source = HandMadeSource(tmp_path)
    source.add_segment(typed=["zone"], spans=[span(1, zone="a"), span(2, zone="b")])
    source.add_segment(spans=[span(3, zone=3), span(4, zone=True), span(5, zone=1.5)])
    source.add_hot(spans=[span(6, zone=3)])
    found = Reader(source).span_values(
        TraceQuery(),
        list(range((1 << 64) + 1, (1 << 64) + 7)),
        [SERVICE, SpanKey(Field.ANY_ATTRIBUTE, "zone")],
        9,
    )
    assert [tuple(row.values()) for row in found.values.to_pylist()] == [
        (0, "text", "shop", 6),
        (1, "number", "3", 2), (1, "number", "1.5", 1), (1, "text", "a", 1), (1, "text", "b", 1),
        (1, "bool", "true", 1),
    ]  # fmt: skip


def trace(lo: int, start: int, duration: int = 1) -> Row:
    return {"trace_hi": 1, "trace_lo": lo, "revision": 1, "start_unix_nano": start,
            "duration_ns": duration}  # fmt: skip


def test_the_newest_traces_come_from_every_segment_that_may_hold_them(tmp_path: Path) -> None:
    source = HandMadeSource(tmp_path)
    source.add_segment(traces=[trace(1, 100, 9), trace(2, 500)])
    source.add_segment(traces=[trace(3, 300, 5), trace(4, 900)])
    source.add_segment(traces=[trace(5, 950), trace(6, 960)])
    source.add_hot(traces=[trace(7, 400), trace(8, 970, 7)])
    reader = Reader(source)

    def found(order: TraceOrder, limit: int) -> list[int]:
        answer = reader.search_traces(TraceQuery(limit=limit), order, TimeRange(), 9, 9)
        assert answer.is_truncated == (limit < 8)
        return [int(lo) for lo in answer.traces["trace_lo"].to_pylist()]

    newest = [8, 6, 5, 4, 2, 7, 3, 1]
    for limit in range(1, 9):
        assert found(TraceOrder.NEWEST, limit) == newest[:limit]
    assert found(TraceOrder.SLOWEST, 4) == [1, 8, 3, 6]


def test_traces_with_a_matching_span_are_read_whole_in_every_order(tmp_path: Path) -> None:
    source = HandMadeSource(tmp_path)
    source.add_segment(traces=[trace(1, 100, 9), trace(2, 500, 9), trace(3, 600, 2)])
    source.add_segment(traces=[trace(4, 300, 9), trace(5, 900, 3)])
    source.add_segment(spans=[span(1), span(3), span(4)])
    source.add_segment(spans=[span(5)])
    source.add_hot(traces=[trace(6, 400, 4)], spans=[span(6)])
    condition = Condition(Field.SERVICE, Comparison.EQ, "shop")
    for order, numbers in (
        (TraceOrder.NEWEST, [5, 3, 6, 4, 1]),
        (TraceOrder.SLOWEST, [4, 1, 6, 5, 3]),
    ):
        for limit in range(1, 6):
            query = TraceQuery((condition,), limit=limit)
            answer = Reader(source).search_traces(query, order, TimeRange(), 9, 9)
            assert answer.traces["trace_lo"].to_pylist() == numbers[:limit]
            assert (answer.is_truncated, answer.looked_at) == (limit < 5, None)
            assert answer.traces["revision"].to_pylist() == [1] * limit
