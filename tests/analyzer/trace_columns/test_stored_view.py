"""A stored view is the view that would be worked out, or none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longpole.analyzer.big_traces import LEAST_SPANS
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.reports import view_shelving
from longpole.analyzer.reports.stored_view import packed_view, stored_view, unpacked_view
from longpole.analyzer.reports.trace_view import TraceView, trace_view
from longpole.analyzer.settle import settle_once
from longpole.formats.rows import telemetry_of_logs, telemetry_of_spans
from longpole.model.clock import ManualClock
from longpole.model.log import LogRecord
from longpole.model.span import Span, SpanEvent, SpanLink
from longpole.model.trace import Trace
from longpole.storage.memory import MemoryStore
from tests.analyzer.random_trees import any_spans, copied_spans, trees
from tests.analyzer.span_builders import TRACE_ID, span

OPTIONS, THRESHOLDS = PathOptions(), Thresholds()


def kept(store: MemoryStore, clock: ManualClock, spans: list[Span]) -> MemoryStore:
    store.submit(telemetry_of_spans(spans), 0).result()
    clock.advance(60.0)
    assert settle_once(store, clock, shelf=store).traces
    return store


def worked_out(store: MemoryStore, trace_id: int = TRACE_ID) -> TraceView:
    state = store.trace_version(trace_id)
    assert state is not None
    view = trace_view(store, trace_id, state, OPTIONS, THRESHOLDS)
    assert view is not None
    return view


def read(store: MemoryStore, **other: Any) -> TraceView | None:
    state = store.trace_version(TRACE_ID)
    assert state is not None
    asked: dict[str, Any] = {"options": OPTIONS, "thresholds": THRESHOLDS} | other
    return stored_view(store, TRACE_ID, state, **asked)


def assert_same(one: TraceView | None, other: TraceView) -> None:
    assert one is not None
    assert (one.state, one.summary, one.logs) == (other.state, other.summary, other.logs)
    left, right = one.columns, other.columns
    for name in left.__dataclass_fields__:
        a, b = getattr(left, name), getattr(right, name)
        pairs = [(a, b)]
        if name == "arrays":
            assert list(a) == list(b)
            pairs = [(a[key], b[key]) for key in a]
        elif name == "order":
            pairs = [(getattr(a, key), getattr(b, key)) for key in a.__dataclass_fields__]
        for mine, others in pairs:
            if isinstance(mine, np.ndarray):
                assert (name, mine.dtype) == (name, others.dtype)
                assert np.array_equal(mine, others), name
            else:
                assert mine == others, name


def big(trace_id: int = TRACE_ID, count: int = LEAST_SPANS) -> list[Span]:
    """A root with calls in turn, some of which fail; with events and links."""
    made = [span(1, 0, 0, count * 1_000 + 1_000)]
    for number in range(2, count + 1):
        start = number * 1_000
        call = span(number, 1, start, start + 900, name=f"GET /{number % 7}",
                    error=number % 50 == 0)  # fmt: skip
        if number % 40 == 0:
            call = replace(
                call,
                events=(SpanEvent(start + 5, "exception", {}),),
                links=(SpanLink(trace_id, 1),),
            )
        made.append(call)
    return [replace(one, trace_id=trace_id) for one in made]


def log(span_id: int, time: int) -> LogRecord:
    return LogRecord(time, time, TRACE_ID, span_id, 17, "ERROR", "broke")


@given(st.one_of(trees(), any_spans(), copied_spans()))
def test_whatever_the_trace_what_is_unpacked_is_what_was_packed(sent: Trace) -> None:
    store = MemoryStore(ManualClock())
    store.submit(telemetry_of_spans(sent.spans), 0).result()
    if sent.spans:
        view = worked_out(store, sent.trace_id)
        assert_same(unpacked_view(packed_view(view, "me"), "me", view.state), view)


def test_the_view_of_a_settled_trace_is_read_and_not_worked_out() -> None:
    clock = ManualClock()
    store = kept(MemoryStore(clock), clock, [*big(7), *big()])  # another one comes before it
    assert_same(read(store), worked_out(store))


def test_logs_that_came_later_are_in_it() -> None:
    clock = ManualClock()
    store = kept(MemoryStore(clock), clock, big())
    store.submit(telemetry_of_logs([log(9, 9_001), log(9, 9_000), log(99_999, 5)]), 0).result()
    view = read(store)
    assert_same(view, worked_out(store))
    assert view is not None
    assert len(view.logs) == 3


def test_a_late_span_leaves_the_old_view_behind_and_brings_a_new_one() -> None:
    clock = ManualClock()
    store = kept(MemoryStore(clock), clock, big())
    late = span(LEAST_SPANS + 5, 1, 10, 700)
    store.submit(telemetry_of_spans([late]), 0).result()
    assert read(store) is None
    clock.advance(60.0)
    settle_once(store, clock, shelf=store)
    view = read(store)
    assert_same(view, worked_out(store))
    assert view is not None
    assert view.summary["span_count"] == LEAST_SPANS + 1


def test_other_options_thresholds_or_code_do_not_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    store = kept(MemoryStore(clock), clock, big())
    assert read(store) is not None
    assert read(store, options=replace(OPTIONS, eps_ns=5)) is None
    assert read(store, thresholds=replace(THRESHOLDS, fanout_calls=21)) is None
    monkeypatch.setattr("longpole.analyzer.reports.stored_view._code", lambda: "a newer release")
    assert read(store) is None


def test_a_view_of_more_spans_than_the_trace_has_is_of_a_former_trace_with_that_id() -> None:
    clock = ManualClock()
    former = kept(MemoryStore(clock), clock, big()).view_of_trace(TRACE_ID, 1)
    store = kept(MemoryStore(clock), clock, [span(1, 0, 0, 9)])
    assert former is not None
    store.put_view(TRACE_ID, 1, former)
    assert read(store) is None


def test_small_traces_have_none() -> None:
    clock = ManualClock()
    store = kept(MemoryStore(clock), clock, [*big(7), span(1, 0, 0, 9)])
    assert read(store) is None


def test_a_view_that_cannot_be_made_does_not_keep_the_trace_from_settling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: Any) -> TraceView:
        raise ValueError("a bug of ours")

    monkeypatch.setattr(view_shelving, "view_of", fails)
    clock = ManualClock()
    store = kept(MemoryStore(clock), clock, big())
    assert read(store) is None
    assert store.pending_traces() == 0
