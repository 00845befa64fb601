"""The newest of many matching traces are those that a look at all of them gives."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import duckdb
import pytest

from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.storage.duckdb.read.reader import Reader
from longpole.storage.search_ports import CLOCK_SLACK_NS
from tests.storage.read.segment_files import HandMadeSource, Row

SECOND = 1_000_000_000
MINUTE = CLOCK_SLACK_NS
TRACES = 500
CHILD = Condition(Field.NAME, Comparison.EQ, "child")
LONG = Condition(Field.TRACE_DURATION, Comparison.GE, 400)


def spans(trace: int, root: int, child: int) -> list[Row]:
    ids = {"trace_hi": 1, "trace_lo": trace}
    return [
        {**ids, "row_id": 2 * trace, "span_id": 1, "name": "root", "start_unix_nano": root,
         "duration_ns": trace},
        {**ids, "row_id": 2 * trace + 1, "span_id": 2, "parent_span_id": 1, "name": "child",
         "start_unix_nano": child, "duration_ns": 1},
    ]  # fmt: skip


def derived(trace: int, root: int, revision: int = 1) -> Row:
    return {"trace_hi": 1, "trace_lo": trace, "revision": revision, "start_unix_nano": root,
            "duration_ns": trace, "span_count": 2}  # fmt: skip


def filled(folder: Path, beside: Iterable[tuple[int, int, int]] = ()) -> HandMadeSource:
    """Traces 1 to `TRACES`, one each ten seconds, in files of spans and derived rows that hold
    every other one, and some `beside` them (number, start of root and of child)."""
    source = HandMadeSource(folder)
    starts = [(n, n * 10 * SECOND, n * 10 * SECOND + 5) for n in range(1, TRACES + 1)]
    random.Random(1).shuffle(starts)
    for some in (starts[::2], starts[1::2] + list(beside)):
        source.add_segment(spans=[row for one in sorted(some) for row in spans(*one)])
        source.add_segment(traces=[derived(n, root) for n, root, _ in sorted(some)])
    return source


def found(source: HandMadeSource, limit: int | None, *conditions: Condition) -> list[int]:
    answer = Reader(source).find_traces(TraceQuery(conditions or (CHILD,), limit=limit))
    rows = answer.traces.num_rows
    assert answer.is_truncated == (limit is not None and rows == limit)
    return [int(low) for low in answer.traces["trace_lo"].to_pylist()]


@pytest.mark.parametrize("conditions", [(CHILD,), (CHILD, LONG)])
@pytest.mark.parametrize("limit", [1, 7, 90])
def test_a_limit_cuts_the_whole_list(
    tmp_path: Path, limit: int, conditions: tuple[Condition, ...]
) -> None:
    source = filled(tmp_path)
    assert found(source, limit, *conditions) == found(source, None, *conditions)[:limit]


def test_traces_that_are_not_settled_have_their_place(tmp_path: Path) -> None:
    source = filled(tmp_path)
    source.pending |= {1 << 64 | TRACES - 1, 1 << 64 | 3}
    source.add_hot(spans=spans(TRACES + 1, (TRACES + 1) * 10 * SECOND, (TRACES + 1) * 10 * SECOND))
    source.pending.add(1 << 64 | TRACES + 1)
    assert found(source, 4) == [TRACES + 1, TRACES, TRACES - 1, TRACES - 2]


def test_of_a_trace_that_was_settled_again_the_youngest_row_counts(tmp_path: Path) -> None:
    source = filled(tmp_path)
    source.add_hot(traces=[derived(TRACES - 2, TRACES * 10 * SECOND + 1, revision=2)])
    source.superseded = [{"trace_hi": 1, "trace_lo": TRACES - 2, "revision": 1}]
    assert found(source, 2) == found(source, None)[:2] == [TRACES - 2, TRACES]


def test_a_clock_that_is_less_than_a_minute_behind_hides_nothing(tmp_path: Path) -> None:
    newest = TRACES * 10 * SECOND
    source = filled(tmp_path, beside=[(TRACES + 1, newest + 1, newest + 2 - MINUTE)])
    assert found(source, 3) == [TRACES + 1, TRACES, TRACES - 1]


def test_a_common_match_reads_no_derived_rows_of_older_traces(tmp_path: Path) -> None:
    source = HandMadeSource(tmp_path)
    for first in (1, 1 + TRACES):
        some = [(n, n * 10 * SECOND, n * 10 * SECOND) for n in range(first, first + TRACES)]
        source.add_segment(spans=[row for one in some for row in spans(*one)])
        source.add_segment(traces=[derived(n, root) for n, root, _ in some])
    with duckdb.connect(str(source.segments[1].path)) as older:
        older.execute("DROP TABLE traces")  # reading it would raise
    assert found(source, 2) == [2 * TRACES, 2 * TRACES - 1]


def test_few_matches_are_looked_up_in_every_file(tmp_path: Path) -> None:
    source = filled(tmp_path)
    source.add_segment(
        spans=[{**row, "name": "rare"} for n in (3, 400, 8) for row in spans(n, n, n)]
    )
    rare = Condition(Field.NAME, Comparison.EQ, "rare")
    assert found(source, 5, rare) == found(source, None, rare) == [400, 8, 3]
