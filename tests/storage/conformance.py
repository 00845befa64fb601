"""The promises of `longpole.storage.ports`, as one suite that every engine passes.

A test module subclasses `StoreConformance` and gives it two fixtures: `clock`, and `store`,
which may do anything that must not change an answer (`disturb`: seal, reopen) between what
is put in and what is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from longpole.analyzer.settle import settle_once
from longpole.formats.rows import logs_of, spans_of, telemetry_of_logs, telemetry_of_spans
from longpole.model import columns
from longpole.model.clock import ManualClock
from longpole.model.ids import trace_id_hex
from longpole.model.log import LogRecord
from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.model.signals import Signal
from longpole.model.span import Resource, Scope
from longpole.model.timerange import TimeRange
from longpole.storage.ports import (
    WHOLE_TRACE_COLUMNS,
    DerivedRows,
    QueryRefused,
    StorageError,
    StorageUnavailable,
    Store,
    TraceState,
)
from tests.storage.call_conformance import CallConformance
from tests.storage.path_time_conformance import PathTimeConformance
from tests.storage.record_conformance import RecordConformance
from tests.storage.red_conformance import RedConformance
from tests.storage.search_conformance import SearchConformance
from tests.storage.series_conformance import SeriesConformance
from tests.storage.span_examples import (
    HIGH,
    NOON,
    RICH,
    SECOND,
    contents,
    derived_of,
    found,
    put_finding,
    put_red,
    settle,
    span,
    submit,
    submit_spans,
)
from tests.storage.trace_parts_conformance import TracePartsConformance
from tests.storage.trace_tables_conformance import TraceTablesConformance

Disturb = Callable[[], Store]

# What each condition finds among the traces of `searchable`, newest first.
CONDITIONS: list[tuple[Condition, list[int]]] = [
    (Condition(Field.NAME, Comparison.EQ, "op1"), [4, 1]),
    (Condition(Field.NAME, Comparison.NE, "op1"), [3, 2, 1]),
    (Condition(Field.NAME, Comparison.GT, "op1"), [3, 1]),
    (Condition(Field.NAME, Comparison.MATCH, "op[12]"), [4, 1]),
    (Condition(Field.NAME, Comparison.MATCH, "p"), []),
    (Condition(Field.NAME, Comparison.NOT_MATCH, "op.*"), [2]),
    (Condition(Field.NAME, Comparison.EQ, 1), []),
    (Condition(Field.KIND, Comparison.EQ, 3), [2]),
    (Condition(Field.KIND, Comparison.LT, 3), [4, 3, 1]),
    (Condition(Field.STATUS, Comparison.EQ, 2), [1]),
    (Condition(Field.STATUS_MESSAGE, Comparison.EQ, "broke"), [1]),
    (Condition(Field.DURATION, Comparison.GE, 99_000_000), [4, 2, 1]),
    (Condition(Field.DURATION, Comparison.LT, 98_000_000), [3]),
    (Condition(Field.DURATION, Comparison.LT, 98_500_000.5), [3, 1]),
    (Condition(Field.SERVICE, Comparison.EQ, "cart"), [2]),
    (Condition(Field.SPAN_ID, Comparison.EQ, "0000000000000007"), [3]),
    (Condition(Field.SPAN_ID, Comparison.EQ, "7"), []),
    (Condition(Field.SPAN_ID, Comparison.NE, "0000000000000001"), [3, 1]),
    (Condition(Field.SPAN_ATTRIBUTE, Comparison.EQ, "/a", "route"), [2, 1]),
    (Condition(Field.SPAN_ATTRIBUTE, Comparison.NE, "/a", "route"), [1]),
    (Condition(Field.SPAN_ATTRIBUTE, Comparison.EQ, "/A", "Route"), [4]),
    (Condition(Field.SPAN_ATTRIBUTE, Comparison.MATCH, "/.", "route"), [2, 1]),
    (Condition(Field.SPAN_ATTRIBUTE, Comparison.NOT_MATCH, "/a", "route"), [1]),
    (Condition(Field.SPAN_ATTRIBUTE, Comparison.GE, 404, "code"), [3, 2]),
    (Condition(Field.SPAN_ATTRIBUTE, Comparison.EQ, 200.0, "code"), [1]),
    (Condition(Field.SPAN_ATTRIBUTE, Comparison.LE, 1 << 80, "code"), [3, 2, 1]),
    (Condition(Field.SPAN_ATTRIBUTE, Comparison.EQ, True, "ok"), [1]),
    (Condition(Field.SPAN_ATTRIBUTE, Comparison.NE, True, "ok"), []),
    (Condition(Field.SPAN_ATTRIBUTE, Comparison.EQ, 1, "ok"), []),
    (Condition(Field.SPAN_ATTRIBUTE, Comparison.EQ, 1, "mixed"), [3]),
    (Condition(Field.SPAN_ATTRIBUTE, Comparison.EQ, "1", "mixed"), [2]),
    (Condition(Field.SPAN_ATTRIBUTE, Comparison.NE, 0.0, "load"), [1]),
    (Condition(Field.SPAN_ATTRIBUTE, Comparison.EQ, "a", "zone"), []),
    (Condition(Field.RESOURCE_ATTRIBUTE, Comparison.EQ, "a", "zone"), [4, 3, 2, 1]),
    (Condition(Field.RESOURCE_ATTRIBUTE, Comparison.EQ, "/a", "route"), []),
    (Condition(Field.ANY_ATTRIBUTE, Comparison.EQ, "a", "zone"), [4, 2, 1]),
    (Condition(Field.ANY_ATTRIBUTE, Comparison.NE, "a", "zone"), [3]),
    (Condition(Field.TRACE_ID, Comparison.EQ, trace_id_hex(HIGH | 2).upper()), [2]),
    (Condition(Field.TRACE_ID, Comparison.EQ, "nonsense"), []),
    (Condition(Field.TRACE_ID, Comparison.NE, trace_id_hex(HIGH | 2)), [4, 3, 1]),
    (Condition(Field.TRACE_DURATION, Comparison.LT, 99_000_000), [3]),
    (Condition(Field.ROOT_NAME, Comparison.EQ, "op1"), [4, 1]),
    (Condition(Field.ROOT_SERVICE, Comparison.MATCH, "c.*"), [2]),
]


class StoreConformance(
    CallConformance,
    PathTimeConformance,
    RecordConformance,
    RedConformance,
    SearchConformance,
    SeriesConformance,
    TracePartsConformance,
    TraceTablesConformance,
):
    """Every test takes `store`, puts something in, calls `disturb()`, which hands back the
    store to ask (the same or a reopened one), and asks."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock(NOON)

    # Reading back

    def test_a_span_reads_back_equal(self, store: Store, disturb: Disturb) -> None:
        submit_spans(store, RICH)
        trace = disturb().trace(RICH.trace_id)
        assert trace is not None
        assert contents(trace.spans) == contents([RICH])
        assert [event.name for event in trace.spans[0].events] == ["first", "second", "third"]
        assert (trace.revision, trace.is_settled, trace.late) == (0, False, 0)

    def test_an_unknown_trace_is_none(self, store: Store, disturb: Disturb) -> None:
        submit_spans(store, RICH)
        store = disturb()
        assert store.trace(12345) is None
        assert store.logs_of_trace(12345) == ()
        whole = store.whole_traces([12345], ["text"])
        assert whole.spans.num_rows == 0
        assert whole.spans.column_names == [*WHOLE_TRACE_COLUMNS, "text"]
        assert whole.traces == ()

    def test_an_empty_store_answers(self, store: Store, disturb: Disturb) -> None:
        store = disturb()
        assert found(store) == []
        assert store.services(TimeRange()) == ()
        assert dict(store.attribute_keys()) == {}
        assert list(store.export(Signal.TRACES)) == []
        totals = store.path_totals(TraceQuery(), ["service"])
        assert totals.groups.num_rows == 0
        assert totals.roots.to_pylist()[0]["trace_count"] == 0
        assert totals.roots.to_pylist()[0]["p50_ns"] is None
        assert store.quiet_traces(10, ()).traces == ()
        assert store.findings(TraceQuery()).findings.num_rows == 0

    def test_a_request_without_records_stores_nothing(self, store: Store) -> None:
        receipt = store.submit(telemetry_of_spans([]), NOON).result(timeout=30)
        assert not receipt.is_repeat
        assert store.status().record_counts.get(Signal.TRACES, 0) == 0

    def test_spans_of_several_requests_make_one_trace(self, store: Store, disturb: Disturb) -> None:
        submit_spans(store, span(1, 1), span(2, 1))
        store = disturb()
        submit_spans(store, span(1, 2, 1))
        trace = store.trace(HIGH | 1)
        assert trace is not None
        assert contents(trace.spans) == contents([span(1, 1), span(1, 2, 1)])

    @pytest.mark.parametrize(
        ("start", "end", "duration_ns"),
        [
            ((1 << 63) - 500, -(1 << 63) + 500, 1_000),  # unsigned times around 2^63
            (-(1 << 63) + 500, (1 << 63) - 500, -1_000),
            ((1 << 63) - 2, 0, -(1 << 63) + 2),
            (0, (1 << 63) - 1, (1 << 63) - 1),
            (-1, -1, 0),
        ],
    )
    def test_extreme_times_are_answered_in_64_bits(
        self, store: Store, clock: ManualClock, disturb: Disturb,
        start: int, end: int, duration_ns: int,
    ) -> None:  # fmt: skip
        odd = span(1, 1, start_unix_nano=start, end_unix_nano=end)
        submit_spans(store, odd)
        store = disturb()
        trace = store.trace(odd.trace_id)
        assert trace is not None
        assert contents(trace.spans) == contents([odd])
        whole = store.whole_traces([odd.trace_id], ())
        assert whole.spans["duration_ns"].to_pylist() == [duration_ns]
        answer = store.find_traces(TraceQuery()).traces.to_pylist()
        assert [row["duration_ns"] for row in answer] == [duration_ns]
        clock.advance(6)
        assert settle_once(store, clock).traces == 1
        assert store.pending_traces() == 0

    def test_log_records_of_a_trace_come_by_time(self, store: Store, disturb: Disturb) -> None:
        logs = [
            LogRecord(time, time + 1, trace, 3, 9, "INFO", body, "event", "shop", {"n": time},
                      resource=Resource({"service.name": "shop"}), scope=Scope("lib"))
            for time, trace, body in ((30, HIGH | 1, "late"), (10, HIGH | 1, {"a": [1]}),
                                      (20, HIGH | 2, "other"), (40, 0, None))
        ]  # fmt: skip
        submit(store, telemetry_of_logs(logs))
        store = disturb()
        assert store.logs_of_trace(HIGH | 1) == (logs[1], logs[0])
        exported = [log for chunk in store.export(Signal.LOGS) for log in logs_of(chunk.tables)]
        assert Counter(map(repr, exported)) == Counter(map(repr, logs))

    # Repeats and duplicates

    def test_an_equal_request_is_a_repeat_and_not_stored_again(
        self, store: Store, disturb: Disturb
    ) -> None:
        telemetry = telemetry_of_spans([span(1, 1)])
        first = store.submit(telemetry, NOON).result(timeout=30)
        second = store.submit(telemetry, NOON + 1).result(timeout=30)
        assert (first.is_repeat, second.is_repeat) == (False, True)
        store = disturb()
        assert store.submit(telemetry, NOON + 2).result(timeout=30).is_repeat
        trace = store.trace(HIGH | 1)
        assert trace is not None
        assert len(trace.spans) == 1
        assert store.status().record_counts[Signal.TRACES] == 1

    def test_requests_without_a_time_are_never_repeats(self, store: Store) -> None:
        telemetry = replace(telemetry_of_spans([span(1, 1)]), has_time=False)
        store.submit(telemetry, NOON).result(timeout=30)
        assert not store.submit(telemetry, NOON).result(timeout=30).is_repeat

    def test_exact_copies_of_a_span_are_shown_once(self, store: Store, disturb: Disturb) -> None:
        other = replace(RICH, attributes={**RICH.attributes, "int": 1})
        submit_spans(store, RICH, span(1, 2, 1))
        store = disturb()
        submit_spans(store, span(1, 3, 1), RICH, other)
        store = disturb()
        kept = [RICH, other, span(1, 2, 1), span(1, 3, 1)]
        trace = store.trace(RICH.trace_id)
        assert trace is not None
        assert contents(trace.spans) == contents(kept)
        whole = store.whole_traces([RICH.trace_id], ())
        assert whole.spans.num_rows == 4
        assert whole.links.num_rows == 4
        exported = [s for chunk in store.export(Signal.TRACES) for s in spans_of(chunk.tables)]
        assert contents(exported) == contents(kept)

    def test_a_copy_among_spans_without_links_settles_and_is_counted(
        self, store: Store, clock: ManualClock, disturb: Disturb
    ) -> None:
        submit_spans(store, span(1, 1))
        store = disturb()
        submit_spans(store, span(1, 1), span(1, 2, 1))
        assert found(store) == [1]
        assert store.path_totals(TraceQuery(), []).unsettled == (HIGH | 1,)
        whole = settle(store, clock)
        assert [(t.revision, t.duplicates) for t in whole.traces] == [(1, 1)]
        assert (whole.spans.num_rows, whole.links.num_rows) == (2, 0)
        store = disturb()
        assert store.pending_traces() == 0
        row = store.find_traces(TraceQuery()).traces.to_pylist()[0]
        assert (row["is_settled"], row["span_count"]) == (True, 2)
        assert store.path_totals(TraceQuery(), []).coverage.used == 1

    # Whole traces

    def test_whole_traces_are_sorted_columns_with_attributes_as_text(
        self, store: Store, disturb: Disturb
    ) -> None:
        submit_spans(store, span(2, 1, attributes={"int": 7}), RICH)
        store = disturb()
        submit_spans(store, span(1, 2, 1, attributes={"int": True, "zone": "own"}))
        keys = ["int", "double", "list", "zone", "port", "absent", "Text", "text"]
        whole = store.whole_traces([HIGH | 2, HIGH | 1, HIGH | 1, 99], keys)
        rows = whole.spans.to_pylist()
        assert [(r["trace_lo"], r["span_id"]) for r in rows] == [(1, 1), (1, 2), (2, 1)]
        assert whole.spans.column_names == [*WHOLE_TRACE_COLUMNS, *keys]
        shown = [[row[key] for key in keys] for row in rows]
        assert shown[0][:2] == ["-9223372036854775808", "0.1"]
        assert "arrayValue" in shown[0][2]
        assert shown[0][3:] == ["a", "80", None, "another case", "x"]
        assert shown[1] == ["true", None, None, "own", None, None, None, None]
        assert shown[2] == ["7", None, None, "a", None, None, None, None]
        assert [state.trace_id for state in whole.traces] == [HIGH | 1, HIGH | 2]
        assert [state.revision for state in whole.traces] == [1, 1]
        assert whole.traces[0].through_row_id == rows[1]["row_id"]
        assert {row["linked_span_id"] for row in whole.links.to_pylist()} == {8, 10}

    # Settling

    def test_a_trace_is_quiet_only_after_settle_after(
        self, store: Store, clock: ManualClock
    ) -> None:
        submit_spans(store, span(1, 1))
        clock.advance(4)
        assert store.quiet_traces(10, ()).traces == ()
        submit_spans(store, span(1, 2, 1))
        clock.advance(4)
        assert store.quiet_traces(10, ()).traces == ()
        clock.advance(1)
        whole = store.quiet_traces(10, ())
        assert [(t.trace_id, t.revision, t.late) for t in whole.traces] == [(HIGH | 1, 1, 0)]
        assert whole.spans.num_rows == 2
        assert store.quiet_traces(10, ()).traces == whole.traces
        assert store.pending_traces() == 1

    def test_a_trace_that_never_rests_is_quiet_after_settle_at_most(
        self, store: Store, clock: ManualClock
    ) -> None:
        for number in range(1, 21):
            submit_spans(store, span(1, number))
            assert store.quiet_traces(10, ()).traces == ()
            clock.advance(3)
        assert len(store.quiet_traces(10, ()).traces) == 1

    def test_the_oldest_quiet_traces_come_first(self, store: Store, clock: ManualClock) -> None:
        for trace in (3, 1, 2):
            submit_spans(store, span(trace, 1))
            clock.advance(1)
        clock.advance(6)
        chosen = {state.trace_id for state in store.quiet_traces(2, ()).traces}
        assert chosen == {HIGH | 3, HIGH | 1}

    def test_a_settled_trace_says_so(
        self, store: Store, clock: ManualClock, disturb: Disturb
    ) -> None:
        submit_spans(store, span(1, 1), span(1, 2, 1))
        settle(store, clock)
        store = disturb()
        assert store.pending_traces() == 0
        trace = store.trace(HIGH | 1)
        assert trace is not None
        assert (trace.revision, trace.is_settled, trace.late) == (1, True, 0)
        rows = store.find_traces(TraceQuery()).traces.to_pylist()
        assert [(r["verdict"], r["is_settled"], r["span_count"]) for r in rows] == [
            ("all in op1", True, 2)
        ]

    def test_a_late_span_reopens_the_trace_and_its_revision_replaces_the_first(
        self, store: Store, clock: ManualClock, disturb: Disturb
    ) -> None:
        submit_spans(store, span(1, 2, 9))
        settle(store, clock)
        store = disturb()
        submit_spans(store, span(1, 1))
        trace = store.trace(HIGH | 1)
        assert trace is not None
        assert (trace.revision, trace.is_settled, trace.late) == (1, False, 1)
        row = store.find_traces(TraceQuery()).traces.to_pylist()[0]
        assert (row["revision"], row["is_settled"], row["verdict"]) == (1, False, "")
        assert (row["root_operation"], row["span_count"]) == ("op1", 2)
        totals = store.path_totals(TraceQuery(), [])
        assert (totals.coverage.used, totals.unsettled) == (0, (HIGH | 1,))
        store = disturb()
        whole = settle(store, clock)
        assert [(t.revision, t.late) for t in whole.traces] == [(2, 1)]
        store = disturb()
        trace = store.trace(HIGH | 1)
        assert trace is not None
        assert (trace.revision, trace.is_settled, trace.late) == (2, True, 1)
        row = store.find_traces(TraceQuery()).traces.to_pylist()[0]
        assert (row["revision"], row["verdict"]) == (2, "all in op1")
        totals = store.path_totals(TraceQuery(), ["label"])
        assert totals.groups["critical_ns"].to_pylist() == [66_000_000, 33_000_000]
        assert (totals.coverage.used, totals.coverage.late) == (1, 1)

    def test_spans_after_the_hand_out_keep_the_trace_pending(
        self, store: Store, clock: ManualClock
    ) -> None:
        submit_spans(store, span(1, 1))
        clock.advance(6)
        whole = store.quiet_traces(10, ())
        submit_spans(store, span(1, 2, 1))
        store.put_derived(derived_of(whole))
        assert store.pending_traces() == 1
        clock.advance(6)
        assert [t.revision for t in store.quiet_traces(10, ()).traces] == [2]

    def test_putting_a_revision_twice_changes_nothing(
        self, store: Store, clock: ManualClock, disturb: Disturb
    ) -> None:
        submit_spans(store, span(1, 1))
        whole = settle(store, clock)
        store.put_derived(derived_of(whole))
        store = disturb()
        assert store.find_traces(TraceQuery()).traces.num_rows == 1
        totals = store.path_totals(TraceQuery(), [])
        assert totals.groups["critical_ns"].to_pylist() == [99_000_000]

    def test_the_clocks_of_the_latest_revision_come_with_the_trace(
        self, store: Store, clock: ManualClock, disturb: Disturb
    ) -> None:
        def clocks() -> list[str | None]:
            trace = store.trace(HIGH | 1)
            assert trace is not None
            states = store.whole_traces([HIGH | 1, HIGH | 2], ()).traces
            return [trace.clocks, *(state.clocks for state in states)]

        submit_spans(store, span(1, 1))
        submit_spans(store, span(2, 1))
        assert clocks() == [None, None, None]
        settle(store, clock)
        store = disturb()
        assert clocks() == ["clocks of revision 1"] * 3
        submit_spans(store, span(1, 2, 1))
        assert clocks() == ["clocks of revision 1"] * 3
        settle(store, clock)
        store = disturb()
        assert clocks() == [*["clocks of revision 2"] * 2, "clocks of revision 1"]

    def test_derived_rows_for_an_unknown_trace_are_an_error(self, store: Store) -> None:
        with pytest.raises((StorageError, ValueError)):
            store.put_derived(DerivedRows((TraceState(77, 1, 1),), {}))

    def test_findings_are_those_of_the_current_revision(
        self, store: Store, clock: ManualClock, disturb: Disturb
    ) -> None:
        submit_spans(store, span(1, 2, 9), span(3, 1))
        put_finding(store, clock, {HIGH | 1: "n_plus_one_db"})
        store = disturb()
        answer = store.findings(TraceQuery())
        (row,) = answer.findings.to_pylist()
        assert (row["detector"], row["root_operation"], row["saving_ns"]) == (
            "n_plus_one_db", "op2", 7
        )  # fmt: skip
        assert (row["trace_hi"] << 64 | row["trace_lo"], row["span_ids"]) == (HIGH | 1, [2])
        counts = {r["root_operation"]: r["trace_count"] for r in answer.roots.to_pylist()}
        assert counts == {"op2": 1, "op1": 1}
        assert (answer.coverage.used, answer.unsettled) == (2, ())
        submit_spans(store, span(1, 1))
        answer = store.findings(TraceQuery())
        assert (answer.findings.num_rows, answer.unsettled) == (0, (HIGH | 1,))
        put_finding(store, clock, {HIGH | 1: "slow_db_query"})
        store = disturb()
        assert store.findings(TraceQuery()).findings["detector"].to_pylist() == ["slow_db_query"]

    def test_findings_follow_the_query_and_not_its_limit(
        self, store: Store, clock: ManualClock, disturb: Disturb
    ) -> None:
        submit_spans(store, span(1, 1), span(2, 1), span(3, 7))
        put_finding(store, clock, {HIGH | n: f"d{n}" for n in (1, 2, 3)})
        store = disturb()
        named = (Condition(Field.NAME, Comparison.EQ, "op1"),)
        answer = store.findings(TraceQuery(named, limit=1))
        assert sorted(answer.findings["detector"].to_pylist()) == ["d1", "d2"]
        assert answer.roots["trace_count"].to_pylist() == [2]
        assert answer.coverage.matched == 2
        nobody = (Condition(Field.NAME, Comparison.EQ, "nobody"),)
        empty = store.findings(TraceQuery(nobody))
        assert (empty.findings.num_rows, empty.roots.num_rows) == (0, 0)
        assert empty.coverage.matched == 0

    def test_red_rows_add_up_the_current_revisions_of_one_operation(
        self, store: Store, clock: ManualClock, disturb: Disturb
    ) -> None:
        submit_spans(store, span(1, 2), span(2, 1), span(3, 1))
        put_red(store, clock, {HIGH | 1: ("op", 0, 9), HIGH | 2: ("op", 0, 4)})
        submit_spans(store, span(1, 1), span(4, 1), span(5, 1))
        put_red(
            store, clock, {HIGH | 1: ("op", 0, 2), HIGH | 4: ("op", 1, 5), HIGH | 5: ("else", 0, 7)}
        )
        store = disturb()
        first, second = store.red_rows(TimeRange(), "shop", "op").to_pylist()
        assert (first["step_unix_nano"], first["count"], first["errors"]) == (NOON, 6, 2)
        assert (first["duration_sum_ns"], first["critical_ns"]) == (60, 6)
        assert first["bucket_counts"] == [0, 6, *[0] * 15]
        assert (second["step_unix_nano"], second["count"]) == (NOON + columns.RED_STEP_NS, 5)
        until = TimeRange(end_unix_nano=second["step_unix_nano"])
        assert store.red_rows(until, "shop", "op")["count"].to_pylist() == [6]
        assert store.red_rows(TimeRange(), "cart", "op").num_rows == 0

    # Searching

    @pytest.fixture
    def searchable(self, store: Store, clock: ManualClock, disturb: Disturb) -> Store:
        """Traces 1 to 4; 1 and 2 are settled, 3 has no root, 4 came last."""
        submit_spans(
            store,
            span(1, 1, attributes={"route": "/a", "code": 200, "ok": True, "load": 0.5}),
            span(1, 2, 1, attributes={"route": "/b"}, status_code=2, status_message="broke"),
            span(2, 1, name="checkout", service_name="cart", kind=3,
                 attributes={"route": "/a", "code": 500, "mixed": "1"}),
        )  # fmt: skip
        settle(store, clock)
        store = disturb()
        submit_spans(store, span(3, 7, 9, attributes={"code": 404.5, "zone": "own", "mixed": 1}))
        submit_spans(store, span(4, 1, attributes={"Route": "/A", "load": float("nan")}))
        return store

    def test_each_condition_finds_its_traces(self, searchable: Store) -> None:
        wrong = [(c, got) for c, want in CONDITIONS if (got := found(searchable, c)) != want]
        assert not wrong

    def test_conditions_meet_in_one_span(self, searchable: Store) -> None:
        route = Condition(Field.SPAN_ATTRIBUTE, Comparison.EQ, "/a", "route")
        broken = Condition(Field.STATUS, Comparison.EQ, 2)
        assert found(searchable, route, broken) == []
        route = replace(route, value="/b")
        assert found(searchable, route, broken) == [1]

    def test_time_bounds_the_start_of_the_span(self, searchable: Store) -> None:
        start = NOON + SECOND + 1_000_000
        assert found(searchable, time=TimeRange(start, start + 1)) == [1]
        assert found(searchable, time=TimeRange(start + 1, start + 2)) == []
        assert found(searchable, time=TimeRange(start + 1)) == [4, 3, 2, 1]

    def test_a_limit_keeps_the_newest_and_says_so(self, searchable: Store) -> None:
        answer = searchable.find_traces(TraceQuery(limit=3))
        assert answer.traces["trace_lo"].to_pylist() == [4, 3, 2]
        assert answer.is_truncated
        assert not searchable.find_traces(TraceQuery(limit=4)).is_truncated
        attribute = Condition(Field.RESOURCE_ATTRIBUTE, Comparison.EQ, "a", "zone")
        assert found(searchable, attribute, limit=1) == [4]

    def test_the_newest_of_many_unsettled_traces_are_found(
        self, store: Store, disturb: Disturb
    ) -> None:
        submit_spans(store, *(span(n, 1) for n in range(1, 400)))
        submit_spans(store, span(5, 2, 9, start_unix_nano=NOON + 900 * SECOND))
        store = disturb()
        assert found(store, limit=3) == [399, 398, 397]
        assert found(store, Condition(Field.NAME, Comparison.EQ, "op1"), limit=2) == [399, 398]
        assert len(found(store, limit=None)) == 399

    def test_a_sample_is_drawn_by_the_low_half_of_the_id_and_counts_all(
        self, store: Store, disturb: Disturb
    ) -> None:
        ids = [7 << 64 | 3, 2, 9 << 64 | 1, 5 << 64 | 2, 4]
        submit_spans(store, *(replace(span(1, 1), trace_id=trace_id) for trace_id in ids))
        store = disturb()
        sample = store.sample_traces(TraceQuery(limit=1), 3)
        assert sample.trace_ids == (9 << 64 | 1, 2, 5 << 64 | 2)
        assert sample.matched == 5
        assert store.sample_traces(TraceQuery(), 99).matched == 5
        assert store.sample_traces(TraceQuery(), 0).trace_ids == ()

    def test_a_sample_follows_the_query(self, searchable: Store) -> None:
        for condition, wanted in CONDITIONS:
            sample = searchable.sample_traces(TraceQuery((condition,)), 99)
            assert [i & 0xFFFF for i in sample.trace_ids] == sorted(wanted), condition
        start = NOON - SECOND
        late = TimeRange(NOON + 2 * SECOND)
        sample = searchable.sample_traces(TraceQuery(time=late), 99)
        assert [i & 0xFFFF for i in sample.trace_ids] == sorted(found(searchable, time=late))
        with pytest.raises(QueryRefused):
            searchable.sample_traces(
                TraceQuery((Condition(Field.NAME, Comparison.MATCH, "a("),), TimeRange(start)), 1
            )

    def test_an_unknown_key_gives_a_notice(self, searchable: Store) -> None:
        condition = Condition(Field.SPAN_ATTRIBUTE, Comparison.EQ, "x", "no.such.key")
        answer = searchable.find_traces(TraceQuery((condition,)))
        assert answer.traces.num_rows == 0
        assert "no.such.key" in answer.notices[0]

    def test_a_regex_that_does_not_compile_is_refused(self, store: Store) -> None:
        query = TraceQuery((Condition(Field.NAME, Comparison.MATCH, "a("),))
        with pytest.raises(QueryRefused):
            store.find_traces(query)
        with pytest.raises(QueryRefused):
            store.path_totals(query, [])

    def test_an_unsettled_trace_is_summed_up_by_the_plain_rule(self, searchable: Store) -> None:
        row = searchable.find_traces(TraceQuery()).traces.to_pylist()[1]
        assert (row["trace_lo"], row["revision"], row["is_settled"]) == (3, 0, False)
        assert (row["root_operation"], row["headless"], row["verdict"]) == ("op7", True, "")

    # Adding up

    def test_path_totals_add_up_to_the_roots(self, searchable: Store) -> None:
        totals = searchable.path_totals(TraceQuery(), ["service", "label", "peer_service"])
        rows = totals.groups.to_pylist()
        assert [tuple(row.values()) for row in rows] == [
            ("cart", "net_wait", "db", 66_000_000, 1, 1),
            ("shop", "net_wait", "db", 66_000_000, 1, 1),
            ("cart", "self", None, 33_000_000, 1, 1),
            ("shop", "self", None, 33_000_000, 1, 1),
        ]
        roots = totals.roots.to_pylist()[0]
        assert roots["duration_sum_ns"] == sum(row["critical_ns"] for row in rows)
        assert (roots["trace_count"], roots["p50_ns"], roots["max_ns"]) == (
            2, 99_000_000, 99_000_000,
        )  # fmt: skip
        assert (totals.coverage.matched, totals.coverage.used, totals.coverage.unsettled) == (
            4, 2, 2,
        )  # fmt: skip
        assert set(totals.unsettled) == {HIGH | 3, HIGH | 4}

    def test_path_totals_follow_the_query_and_not_its_limit(self, searchable: Store) -> None:
        everything = searchable.path_totals(TraceQuery(limit=1), [])
        assert everything.coverage.matched == 4
        route = Condition(Field.SPAN_ATTRIBUTE, Comparison.EQ, "/b", "route")
        some = searchable.path_totals(TraceQuery((route,)), ["root_operation"])
        assert some.groups["root_operation"].to_pylist() == ["op1"]
        root = Condition(Field.ROOT_SERVICE, Comparison.EQ, "shop")
        some = searchable.path_totals(TraceQuery((root,)), [])
        assert (some.coverage.matched, some.coverage.used) == (3, 1)

    def test_percentiles_are_nearest_rank(
        self, store: Store, clock: ManualClock, disturb: Disturb
    ) -> None:
        spans = [span(n, 1, end_unix_nano=NOON + n * SECOND + 1_000_000 + n) for n in range(1, 201)]
        submit_spans(store, *spans)
        settle(store, clock)
        roots = disturb().path_totals(TraceQuery(), []).roots.to_pylist()[0]
        shown = [roots[name] for name in ("p50_ns", "p95_ns", "p99_ns", "max_ns")]
        assert shown == [100, 190, 198, 200]

    def test_an_unknown_group_is_a_value_error(self, store: Store) -> None:
        with pytest.raises(ValueError, match="verdict"):
            store.path_totals(TraceQuery(), ["verdict"])

    # Catalogs

    def test_services_come_by_name_with_their_operations(self, searchable: Store) -> None:
        services = searchable.services(TimeRange())
        assert [(s.name, s.span_count, s.error_count) for s in services] == [
            ("cart", 1, 0),
            ("shop", 4, 1),
        ]
        assert services[1].operations == ("op1", "op2", "op7")
        assert services[1].first_seen_unix_nano == NOON + SECOND + 1_000_000
        assert services[1].last_seen_unix_nano == NOON + 4 * SECOND + 1_000_000
        assert [s.name for s in searchable.services(TimeRange(NOON + 3 * SECOND))] == ["shop"]

    def test_every_attribute_key_is_listed_with_its_type(self, searchable: Store) -> None:
        keys = dict(searchable.attribute_keys())
        assert keys == {
            "route": "VARCHAR",
            "Route": "VARCHAR",
            "code": "DOUBLE",
            "ok": "BOOLEAN",
            "load": "DOUBLE",
            "mixed": "VARCHAR",
            "service.name": "VARCHAR",
            "zone": "VARCHAR",
        }

    # Export

    def test_an_export_holds_each_span_once(self, store: Store, disturb: Disturb) -> None:
        spans = [RICH, span(1, 2, 1), *(span(2, n) for n in range(1, 30))]
        submit_spans(store, *spans[:10])
        store = disturb()
        submit_spans(store, *spans[10:])
        chunks = list(store.export(Signal.TRACES))
        assert contents([s for c in chunks for s in spans_of(c.tables)]) == contents(spans)
        for chunk in chunks:
            ids = chunk.tables["spans"]["row_id"].to_pylist()
            assert ids == list(range(len(ids)))
            assert chunk.body

    def test_an_export_follows_the_query(self, searchable: Store) -> None:
        query = TraceQuery((Condition(Field.SERVICE, Comparison.EQ, "cart"),))
        exported = [s for c in searchable.export(Signal.TRACES, query) for s in spans_of(c.tables)]
        assert [s.name for s in exported] == ["checkout"]
        limited = searchable.export(Signal.TRACES, TraceQuery(limit=2))
        assert {s.trace_id & 0xF for c in limited for s in spans_of(c.tables)} == {3, 4}

    # The end

    def test_a_closed_store_takes_nothing(self, store: Store) -> None:
        submit_spans(store, span(1, 1))
        store.close()
        store.close()
        with pytest.raises(StorageUnavailable):
            submit_spans(store, span(1, 2))
