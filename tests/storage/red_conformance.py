"""What `TraceReader` promises of services over time, part of the suite of every engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from longpole.model import columns
from longpole.model.clock import ManualClock
from longpole.model.query import TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import PathSeriesQuery, RedQuery, Store
from tests.storage.span_examples import HIGH, NOON, put_red, span, submit_spans

Disturb = Callable[[], Store]
STEP = columns.RED_STEP_NS
START = NOON - NOON % (6 * STEP)


def asked(**changes: Any) -> RedQuery:
    """A question about the minutes around noon."""
    query: dict[str, Any] = {"time": TimeRange(START, START + 12 * STEP), "step_ns": STEP}
    return RedQuery(**query | changes)


class RedConformance:
    """Mixed into `StoreConformance`."""

    def test_services_are_numbered_once_in_the_order_of_arrival(
        self, store: Store, clock: ManualClock, disturb: Disturb
    ) -> None:
        assert dict(store.service_colours()) == {}
        submit_spans(store, span(1, 1, service_name="shop"), span(1, 2, 1, service_name="cart"))
        assert dict(store.service_colours()) == {"shop": 0, "cart": 1}
        store = disturb()
        submit_spans(store, span(2, 1, service_name="a-new-one"), span(2, 2, service_name="cart"))
        assert dict(store.service_colours()) == {"shop": 0, "cart": 1, "a-new-one": 2}

    @pytest.fixture
    def counted(self, store: Store, clock: ManualClock, disturb: Disturb) -> Store:
        """`op` runs 6 times in the first step and 5 in the next, `else` 7 times; trace 1 was
        settled twice, and trace 6 not yet."""
        submit_spans(store, span(1, 2), span(2, 1), span(3, 1))
        put_red(store, clock, {HIGH | 1: ("op", 0, 9), HIGH | 2: ("op", 0, 4)})
        store = disturb()
        submit_spans(store, span(1, 1), span(4, 1), span(5, 1))
        put_red(
            store, clock, {HIGH | 1: ("op", 0, 2), HIGH | 4: ("op", 1, 5), HIGH | 5: ("else", 0, 7)}
        )
        store = disturb()
        submit_spans(store, span(6, 1))
        return store

    def test_red_series_add_up_the_current_revisions_by_step(self, counted: Store) -> None:
        series = counted.red_series(asked(operation="op"))
        first, second = series.rows.to_pylist()
        assert (first["step_unix_nano"], first["count"], first["errors"]) == (NOON, 6, 2)
        assert (first["service"], first["operation"], first["kind"]) == ("shop", "", 2)
        assert (first["duration_sum_ns"], first["critical_ns"]) == (60, 6)
        assert first["bucket_counts"] == [0, 6, *[0] * 15]
        assert (first["exemplar_hi"], first["exemplar_lo"] & 3 != 0) == (HIGH >> 64, True)
        assert (second["step_unix_nano"], second["count"]) == (NOON + STEP, 5)
        assert series.unsettled == 1
        again = counted.red_series(asked(operation="op"))
        assert again.rows.equals(series.rows)

    def test_red_series_keep_apart_what_is_asked_for(self, counted: Store) -> None:
        by_operation = counted.red_series(asked(by_step=False, by_operation=True)).rows
        assert [(r["operation"], r["count"]) for r in by_operation.to_pylist()] == [
            ("else", 7),
            ("op", 11),
        ]
        assert by_operation["step_unix_nano"].to_pylist() == [START, START]
        by_service = counted.red_series(asked(step_ns=6 * STEP)).rows
        assert by_service["count"].to_pylist() == [18]

    def test_red_series_leave_buckets_out_when_asked(self, counted: Store) -> None:
        rows = counted.red_series(asked(with_buckets=False)).rows
        assert rows["bucket_counts"].to_pylist() == [[], []]
        assert rows["count"].to_pylist() == [13, 5]

    def test_path_series_add_up_to_the_totals(self, counted: Store) -> None:
        group = ("root_service", "root_operation", "service", "operation", "label")
        totals = counted.path_totals(TraceQuery(limit=None), group).groups.to_pylist()
        whole = TimeRange(0, START + 100 * STEP)
        rows = counted.path_series(PathSeriesQuery(whole, STEP, by_step=False)).to_pylist()
        assert len(totals) > 0
        expected = sorted(tuple(row[name] for name in (*group, "critical_ns")) for row in totals)
        assert sorted(tuple(row.values())[1:] for row in rows) == expected
        by_step = counted.path_series(PathSeriesQuery(whole, STEP)).to_pylist()
        assert sum(row["critical_ns"] for row in by_step) == sum(row[-1] for row in expected)
        ends = {row["step_unix_nano"] for row in by_step}
        assert all(at % STEP == 0 for at in ends)
        (latest,) = {at for at in ends if at == max(ends)}
        later = PathSeriesQuery(TimeRange(latest + STEP, latest + 2 * STEP), STEP)
        assert counted.path_series(later).num_rows == 0

    def test_settled_rows_are_those_of_the_latest_revision(self, counted: Store) -> None:
        ids = [HIGH | 1, HIGH | 4, HIGH | 6, 77]
        rows = counted.settled_rows(ids, "red").to_pylist()
        assert {(r["trace_lo"], r["revision"], r["count"]) for r in rows} == {(1, 2, 2), (4, 1, 5)}
        segments = counted.settled_rows(ids, "path_segments")
        assert set(segments["trace_lo"].to_pylist()) == {1, 4}
        assert counted.settled_rows([], "traces").num_rows == 0

    def test_red_series_hold_only_what_was_asked_for(self, counted: Store) -> None:
        first_step = TimeRange(NOON, NOON + STEP)
        assert counted.red_series(asked(time=first_step)).rows["count"].to_pylist() == [13]
        assert counted.red_series(asked(services=("shop", "cart"))).rows.num_rows == 2
        for nothing in (
            {"services": ("cart",)},
            {"operation": "nope"},
            {"time": TimeRange(START - 6 * STEP, START)},
        ):
            assert counted.red_series(asked(**nothing)).rows.num_rows == 0

    @pytest.mark.parametrize(
        "wrong",
        [
            {"step_ns": 0},
            {"step_ns": STEP + 1},
            {"time": TimeRange(START + 1, START + STEP)},
            {"time": TimeRange(START, START + STEP), "step_ns": 6 * STEP},
            {"time": TimeRange(-STEP, STEP)},
        ],
    )
    def test_red_series_refuse_steps_that_do_not_fit(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="step"):
            asked(**wrong)
