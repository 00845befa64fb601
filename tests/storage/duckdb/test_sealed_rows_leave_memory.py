"""What is sealed leaves memory at once, whatever was asked about it while it was hot."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from longpole.analyzer.settle import settle_once
from longpole.model.clock import ManualClock
from longpole.model.columns import RED_STEP_NS
from longpole.model.query import TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.duckdb.merge import SegmentMerge
from longpole.storage.duckdb.store import DuckDBStore
from longpole.storage.ports import CallSeriesQuery, PathSeriesQuery, RedQuery
from longpole.storage.search_ports import TraceOrder
from tests.storage.duckdb.traffic import START, metrics, opened, send, spans

EVERYTHING = TimeRange(0, (1 << 62) // RED_STEP_NS * RED_STEP_NS)
QUESTIONS: dict[str, Callable[[DuckDBStore], object]] = {
    "nothing": lambda store: None,
    "red_series": lambda store: store.red_series(RedQuery(EVERYTHING, RED_STEP_NS)),
    "path_series": lambda store: store.path_series(PathSeriesQuery(EVERYTHING, RED_STEP_NS)),
    "call_series": lambda store: store.call_series(CallSeriesQuery(EVERYTHING, RED_STEP_NS)),
    "services": lambda store: store.services(EVERYTHING),
    "trace": lambda store: store.trace(3),
    "trace_version": lambda store: store.trace_version(3),
    "whole_traces": lambda store: store.whole_traces([3, 4], ()),
    "find_traces": lambda store: store.find_traces(TraceQuery()),
    "search_traces": lambda store: store.search_traces(
        TraceQuery(), TraceOrder.NEWEST, EVERYTHING, 10, 10
    ),
    "sql": lambda store: store.sql("SELECT count(*) FROM spans"),
    "metric_series": lambda store: store.metric_series(EVERYTHING, False),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_sealed_rows_leave_memory_whatever_was_asked_about_them(
    tmp_path: Path, question: Callable[[DuckDBStore], object]
) -> None:
    store = opened(tmp_path, settle_after_seconds=0.0)
    send(store, spans(range(1, 20)), metrics(20))
    assert settle_once(store, ManualClock(START)).traces == 19
    question(store)
    with store.lease() as lease:
        hot = dict(lease.snapshot.hot)
    assert {"spans", "red", "metric_points"} <= {name for name in hot if hot[name].num_rows}
    held = {name: weakref.ref(table) for name, table in hot.items() if table.num_rows}
    del hot, lease
    store.seal()
    assert [name for name, table in held.items() if table() is not None] == []
    store.close()


def _noted(
    make: Callable[..., dict[str, pa.Table]], made: list[weakref.ref[pa.Table]]
) -> Callable[..., dict[str, pa.Table]]:
    def noting(*arguments: Any, **named: Any) -> dict[str, pa.Table]:
        tables = make(*arguments, **named)
        made.extend(weakref.ref(table) for table in tables.values())
        return tables

    return noting


def test_a_merge_holds_no_piece_while_something_is_sealed_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[weakref.ref[pa.Table]] = []
    held: list[int] = []

    store = opened(tmp_path, compact_files=2, settle_after_seconds=0.0)
    for number in range(2):
        send(store, spans([number + 1], seed=number))
        settle_once(store, ManualClock(START))
        store.seal()
    for name in ("_plain", "_derived"):
        monkeypatch.setattr(SegmentMerge, name, _noted(getattr(SegmentMerge, name), made))
    monkeypatch.setattr(
        store._chores,
        "seal_if_due",
        lambda: held.append(sum(table() is not None for table in made)),
    )
    store.tick()
    store.tick()
    assert made
    assert set(held) == {0}
    store.close()
