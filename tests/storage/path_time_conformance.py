"""What `TraceReader.path_times` promises, part of the suite that every engine passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from longpole.model.clock import ManualClock
from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.storage.ports import PATH_GROUP_COLUMNS, QueryRefused, Store
from tests.storage.span_examples import HIGH, NOON, SECOND, settle, span, submit_spans

Disturb = Callable[[], Store]


class PathTimeConformance:
    """Takes the fixtures of `StoreConformance`."""

    def test_path_times_of_nothing_are_empty(self, store: Store, disturb: Disturb) -> None:
        times = disturb().path_times(TraceQuery(), ["label", "call_path_id"])
        assert (times.traces.num_rows, times.cells.num_rows) == (0, 0)
        assert times.cells.column_names == [
            "place", "label", "call_path_id", "critical_ns", "segment_count", "span_count",
        ]  # fmt: skip
        assert (times.coverage.matched, times.unsettled) == (0, ())

    def test_path_times_add_up_to_the_duration_of_each_trace(
        self, store: Store, clock: ManualClock, disturb: Disturb
    ) -> None:
        submit_spans(store, span(1, 1), span(2, 2, 9, service_name="cart"))
        settle(store, clock)
        store = disturb()
        submit_spans(store, span(3, 3))
        settle(store, clock)
        submit_spans(store, span(4, 4))
        times = store.path_times(TraceQuery(limit=1), ["service", "label", "peer_service"])
        traces = {row["trace_lo"]: row for row in times.traces.to_pylist()}
        assert {lo: (row["root_service"], row["root_operation"]) for lo, row in traces.items()} == {
            1: ("shop", "op1"), 2: ("cart", "op2"), 3: ("shop", "op3"),
        }  # fmt: skip
        assert traces[3]["start_unix_nano"] == NOON + 3 * SECOND + 3_000_000
        cells = times.cells.to_pylist()
        assert Counter((c["service"], c["label"], c["peer_service"]) for c in cells) == {
            ("shop", "self", None): 2, ("shop", "net_wait", "db"): 2,
            ("cart", "self", None): 1, ("cart", "net_wait", "db"): 1,
        }  # fmt: skip
        sums: Counter[int] = Counter()
        for cell in cells:
            sums[cell["place"]] += cell["critical_ns"]
        durations = times.traces["duration_ns"].to_pylist()
        assert sums == dict(enumerate(durations))
        assert (times.coverage.matched, times.coverage.used) == (4, 3)
        assert times.unsettled == (HIGH | 4,)

    def test_path_times_count_each_span_once(
        self, store: Store, clock: ManualClock, disturb: Disturb
    ) -> None:
        submit_spans(store, span(1, 1))
        settle(store, clock)
        store = disturb()
        whole = store.path_times(TraceQuery(), []).cells.to_pylist()
        assert whole == [
            {"place": 0, "critical_ns": 99_000_000, "segment_count": 2, "span_count": 1}
        ]
        by_path = store.path_times(TraceQuery(), ["call_path_id"]).cells.to_pylist()
        assert [(row["call_path_id"], row["critical_ns"]) for row in by_path] == [(1, 99_000_000)]

    def test_path_times_are_those_of_the_current_revision(
        self, store: Store, clock: ManualClock, disturb: Disturb
    ) -> None:
        submit_spans(store, span(1, 2, 9), span(2, 1))
        settle(store, clock)
        store = disturb()
        submit_spans(store, span(1, 1))
        open_again = store.path_times(TraceQuery(), ["operation"])
        assert open_again.cells["operation"].to_pylist() == ["op1"]
        assert open_again.unsettled == (HIGH | 1,)
        settle(store, clock)
        store = disturb()
        times = store.path_times(TraceQuery(), ["operation", "root_operation"])
        lows = times.traces["trace_lo"].to_pylist()
        cells = {
            (lows[c["place"]], c["operation"], c["root_operation"], c["critical_ns"])
            for c in times.cells.to_pylist()
        }
        assert cells == {(1, "op1", "op1", 99_000_000), (2, "op1", "op1", 99_000_000)}
        assert (times.coverage.used, times.coverage.late) == (2, 1)

    def test_path_times_follow_the_query(
        self, store: Store, clock: ManualClock, disturb: Disturb
    ) -> None:
        submit_spans(store, span(1, 1), span(2, 2), span(2, 3, 2, attributes={"route": "/b"}))
        settle(store, clock)
        store = disturb()
        route = Condition(Field.SPAN_ATTRIBUTE, Comparison.EQ, "/b", "route")
        assert store.path_times(TraceQuery((route,)), []).traces["trace_lo"].to_pylist() == [2]
        bad = Condition(Field.NAME, Comparison.MATCH, "a(")
        with pytest.raises(QueryRefused):
            store.path_times(TraceQuery((bad,)), [])

    def test_path_time_is_grouped_by_known_columns_alone(
        self, store: Store, clock: ManualClock, disturb: Disturb
    ) -> None:
        submit_spans(store, span(1, 1))
        settle(store, clock)
        store = disturb()
        with pytest.raises(ValueError, match="verdict"):
            store.path_times(TraceQuery(), ["verdict"])
        totals = store.path_totals(TraceQuery(), PATH_GROUP_COLUMNS).groups
        assert totals["call_path_id"].to_pylist() == [1, 1]
        assert sum(totals["critical_ns"].to_pylist()) == 99_000_000
