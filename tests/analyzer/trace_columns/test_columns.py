"""The columns of a trace against the plain report of the same explanation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.findings.detect import detect
from longpole.analyzer.path_spans import (
    ANALYSIS_ATTRIBUTES,
    spans_of_trace,
    spans_of_whole_traces,
)
from longpole.analyzer.reports.trace_columns import columns as c
from longpole.analyzer.reports.trace_columns.columns import TraceColumns, trace_columns
from longpole.analyzer.reports.trace_columns.log_marks import with_logs
from longpole.analyzer.reports.trace_columns.marks import EXCEPTION, LOG, marks_of
from longpole.analyzer.reports.trace_report import trace_report
from longpole.analyzer.verdict import verdict_of
from longpole.formats.rows import telemetry_of_spans
from longpole.model.clock import ManualClock
from longpole.model.log import LogRecord
from longpole.model.span import Span, SpanEvent, SpanLink
from longpole.model.trace import Trace
from longpole.storage.memory import MemoryStore
from tests.analyzer.random_trees import any_spans, copied_spans, trees
from tests.analyzer.span_builders import TRACE_ID, span, trace


def drawn(sent: Trace, logs: tuple[LogRecord, ...] = ()) -> tuple[Explanation, TraceColumns]:
    """A trace explained from the columns of storage, as its page does it."""
    store = MemoryStore(ManualClock())
    store.submit(telemetry_of_spans(sent.spans), 0).result()
    whole = store.whole_traces([TRACE_ID], ANALYSIS_ATTRIBUTES)
    spans = [held for _, held in spans_of_whole_traces(whole)] or [spans_of_trace(sent)]
    e = explain(spans[0])
    findings = detect(e)
    marks = marks_of(e, whole, store.events_of_trace(TRACE_ID))
    return e, with_logs(trace_columns(e, verdict_of(e, findings), findings, marks), logs)


def columns_of(sent: Trace, logs: tuple[LogRecord, ...] = ()) -> TraceColumns:
    return drawn(sent, logs)[1]


@given(st.one_of(trees(), any_spans(), copied_spans()))
def test_columns_say_what_the_report_says(sent: Trace) -> None:
    e, columns = drawn(sent)
    rows = trace_report(e, include_spans=True)["spans"]
    flags = columns.arrays["flags"]
    names = [(columns.services[service], name) for name, service in columns.operations]
    assert [f"{i:016x}" for i in columns.span_ids.tolist()] == [row["span_id"] for row in rows]
    assert columns.arrays["depth"].tolist() == [row["depth"] for row in rows]
    assert columns.critical_ns.tolist() == [min(row["critical_ns"], 2**63 - 1) for row in rows]
    assert (flags & c.ON_PATH > 0).tolist() == [row["on_path"] for row in rows]
    assert (flags & c.ERROR > 0).tolist() == [row["status"] == "error" for row in rows]
    assert [names[code] for code in columns.arrays["op"].tolist()] == [
        (row["service"], row["operation"]) for row in rows
    ]
    begin = columns.axis.begin
    last = begin + columns.axis.length_ns
    shown = [
        (min(max(at, begin), last) - begin, min(max(at + row["duration_ns"], begin), last) - begin)
        for row in rows
        for at in [row["start_unix_nano"]]
    ]
    assert columns.starts_ns.tolist() == [start for start, _ in shown]
    assert (columns.starts_ns + columns.durations_ns).tolist() == [end for _, end in shown]


@given(st.one_of(trees(), any_spans()))
def test_a_subtree_is_the_rows_that_follow_its_root(sent: Trace) -> None:
    columns = columns_of(sent)
    parents, depths = columns.order.parents.tolist(), columns.order.depths.tolist()
    for row, size in enumerate(columns.order.subtrees.tolist()):
        below = {row}
        for other in range(row + 1, len(parents)):
            if parents[other] in below:
                below.add(other)
        assert sorted(below) == list(range(row, row + size))
        assert depths[row] == (depths[parents[row]] + 1 if parents[row] >= 0 else 0)


@given(st.one_of(trees(), any_spans()))
def test_self_time_is_what_no_child_covers(sent: Trace) -> None:
    columns = columns_of(sent)
    starts = columns.starts_ns.tolist()
    ends = (columns.starts_ns + columns.durations_ns).tolist()
    parents = columns.order.parents.tolist()
    for row, own in enumerate(columns.self_ns.tolist()):
        if ends[row] - starts[row] > 100:
            continue  # too long to look at every instant
        children = [(starts[i], ends[i]) for i, parent in enumerate(parents) if parent == row]
        instants = range(starts[row], ends[row])
        assert own == sum(not any(a <= at < b for a, b in children) for at in instants)


@given(trees())
def test_segments_partition_the_root(sent: Trace) -> None:
    columns = columns_of(sent)
    begins, ends = columns.arrays["seg_start"].tolist(), columns.arrays["seg_end"].tolist()
    bounds = [columns.root_start_ns, *ends]
    assert begins == bounds[:-1] if ends else columns.root_start_ns == columns.root_end_ns
    assert bounds[-1] == columns.root_end_ns
    held = np.zeros(columns.span_ids.size, np.int64)
    lengths = columns.arrays["seg_end"] - columns.arrays["seg_start"]
    np.add.at(held, columns.arrays["seg_row"], lengths)
    assert held.tolist() == columns.critical_ns.tolist()


def test_events_exceptions_logs_and_links_hang_on_their_rows() -> None:
    root = replace(span(1, 0, 100, 900), links=(SpanLink(7, 7), SpanLink(TRACE_ID, 2)))
    child = replace(
        span(2, 1, 200, 400), events=(SpanEvent(300, "exception"), SpanEvent(250, "cache miss"))
    )
    log = LogRecord(
        time_unix_nano=350, observed_time_unix_nano=0, trace_id=TRACE_ID, span_id=2,
        severity_number=13, severity_text="", body="slow",
    )  # fmt: skip
    columns = columns_of(trace([root, child]), (log, replace(log, span_id=99)))
    arrays, flags = columns.arrays, columns.arrays["flags"].tolist()
    assert arrays["mark_row"].tolist() == [1, 1, 1]
    assert arrays["mark_time"].tolist() == [150, 200, 250]
    assert arrays["mark_kind"].tolist() == [0, EXCEPTION, LOG]
    assert arrays["mark_severity"].tolist() == [0, 17, 13]
    assert arrays["link_row"].tolist() == [0, 0]
    assert flags[0] & c.HAS_LINKS
    assert not flags[1] & c.HAS_LINKS
    assert flags[1] & c.HAS_EVENTS
    assert flags[1] & c.HAS_EXCEPTION
    assert flags[1] & c.HAS_LOGS


def test_orphan_and_detached_trees_are_marked_to_their_leaves() -> None:
    spans = [
        span(1, 0, 0, 100), span(2, 99, 10, 50), span(3, 2, 20, 30),
        span(4, 1, 10, 20, kind=4), span(5, 4, 10, 90, kind=5), span(6, 5, 20, 30),
    ]  # fmt: skip
    columns = columns_of(trace(spans))
    by_id = dict(zip(columns.span_ids.tolist(), columns.arrays["flags"].tolist(), strict=True))
    assert {i for i, bits in by_id.items() if bits & c.ORPHAN} == {2, 3}
    assert {i for i, bits in by_id.items() if bits & c.ASYNC} == {5, 6}


def chain(length: int) -> list[Span]:
    return [span(i, i - 1, i, 3 * length - i) for i in range(1, length + 1)]


def test_odd_shapes_have_all_their_rows() -> None:
    has_all_rows(deep=2_000, wide=3_000)


@pytest.mark.full
def test_very_deep_and_very_wide_traces_have_all_their_rows() -> None:
    has_all_rows(deep=20_000, wide=50_000)


def has_all_rows(deep: int, wide: int) -> None:
    hour = 3600 * 10**9
    shapes = {
        "one span": [span(1, 0, 5, 5)],
        "orphans only": [span(i, 1000 + i, i, i + 5) for i in range(1, 9)],
        "one id for all": [span(1, 0, i, i + 5, name=f"n{i}") for i in range(1, 9)],
        "ten hours": [span(1, 0, 0, 10 * hour), span(2, 1, hour, 2 * hour)],
        "a day late": [span(1, 0, 0, 1000), span(2, 1, 24 * hour, 25 * hour)],
        "deep": chain(deep),
        "wide": [span(1, 0, 0, 10**6), *(span(i, 1, i, i + 9) for i in range(2, wide + 2))],
    }
    for name, spans in shapes.items():
        columns = columns_of(trace(spans))
        assert columns.span_ids.size == len(spans), name
        assert columns.axis.length_ns // columns.axis.tick_ns < 2**32, name
        assert int(columns.arrays["depth"].max()) < 2**16, name
    assert [group.count for group in columns.groups] == [wide], "equal siblings are one row"


def test_no_spans_have_no_rows() -> None:
    columns = columns_of(trace([]))
    assert columns.span_ids.size == 0
    assert columns.root == -1
    assert not columns.opened


def test_a_clock_of_another_decade_does_not_press_the_trace_into_one_pixel() -> None:
    now = 1_767_323_045 * 10**9
    spans = [span(1, 0, now, now + 10**9), span(2, 1, 0, 10)]
    columns = columns_of(trace(spans))
    assert columns.axis.tick_ns <= 1024
    assert columns.root_end_ns - columns.root_start_ns == 10**9
