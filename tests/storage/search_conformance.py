"""What `TraceSearcher` promises, part of the suite that every engine passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from longpole.model.clock import ManualClock
from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import QueryRefused, Store
from longpole.storage.search_ports import RIBBON_COLUMNS, ROOT_RUNS, SpanKey, TraceOrder
from tests.storage.span_examples import HIGH, NOON, SECOND, settle, span, submit_spans

Disturb = Callable[[], Store]
EVER = TimeRange()
ROUTE_A = Condition(Field.ANY_ATTRIBUTE, Comparison.EQ, "/a", "route")


def searched(
    store: Store, order: str = "newest", *conditions: Condition, **asked: Any
) -> list[int]:
    """Numbers of the traces in that order."""
    query = TraceQuery(conditions, limit=asked.pop("limit", None))
    answer = store.search_traces(query, TraceOrder(order), EVER, **asked)
    return [int(one) for one in answer.traces["trace_lo"].to_pylist()]


class SearchConformance:
    """Takes the fixtures of `StoreConformance`, `searchable` among them."""

    def test_searching_nothing_finds_nothing(self, store: Store, disturb: Disturb) -> None:
        store = disturb()
        answer = store.search_traces(TraceQuery((ROUTE_A,)), TraceOrder.SLOWEST, EVER)
        assert (answer.traces.num_rows, answer.is_truncated, answer.looked_at) == (0, False, None)
        assert store.span_values(TraceQuery(), [HIGH | 1], [SpanKey(Field.NAME)], 5).values == (
            store.span_values(TraceQuery(), [], [], 5).values
        )
        assert store.path_segments([HIGH | 1], 5).column_names == list(RIBBON_COLUMNS)

    def test_the_newest_order_is_that_of_find_traces(self, searchable: Store) -> None:
        found = searchable.find_traces(TraceQuery()).traces
        query = TraceQuery()
        assert searchable.search_traces(query, TraceOrder.NEWEST, EVER).traces == found
        assert searched(searchable, "newest", ROUTE_A) == [2, 1]

    def test_each_order_puts_the_most_first_and_of_equals_the_newest(
        self, store: Store, clock: ManualClock, disturb: Disturb
    ) -> None:
        end = NOON + 100 * SECOND
        submit_spans(store, span(1, 1, end_unix_nano=end), span(2, 1), span(2, 2, 1))
        submit_spans(store, span(3, 1, status_code=2), span(4, 1), span(5, 1, end_unix_nano=end))
        settle(store, clock)
        store = disturb()
        submit_spans(store, span(6, 1), span(6, 2, 1, status_code=2), span(6, 3, 1, status_code=2))
        assert searched(store, "slowest") == [1, 5, 6, 4, 3, 2]
        assert searched(store, "errors") == [6, 3, 5, 4, 2, 1]
        assert searched(store, "spans") == [6, 2, 5, 4, 3, 1]
        assert searched(store, "slowest", limit=1) == [1]
        assert searched(store, "errors", limit=3) == [6, 3, 5]

    def test_only_roots_that_start_in_the_range_are_found(self, searchable: Store) -> None:
        start = NOON + SECOND + 1_000_000
        for roots, numbers in (
            (TimeRange(start, start + 1), [1]),
            (TimeRange(start + 1, start + 3 * SECOND), [3, 2]),
            (TimeRange(start + 1), [4, 3, 2]),
        ):
            answer = searchable.search_traces(TraceQuery(), TraceOrder.NEWEST, roots)
            assert answer.traces["trace_lo"].to_pylist() == numbers

    def test_a_limit_says_that_there_are_more(self, searchable: Store) -> None:
        for limit, is_truncated in ((3, True), (4, False)):
            answer = searchable.search_traces(TraceQuery(limit=limit), TraceOrder.NEWEST, EVER)
            assert (answer.traces.num_rows, answer.is_truncated) == (limit, is_truncated)

    def test_trace_conditions_and_span_conditions_meet(self, searchable: Store) -> None:
        slow = Condition(Field.ROOT_SERVICE, Comparison.EQ, "cart")
        assert searched(searchable, "newest", ROUTE_A, slow) == [2]
        assert searched(searchable, "newest", slow) == [2]

    def test_when_enough_of_the_first_match_the_rest_is_not_looked_at(
        self, store: Store, clock: ManualClock, disturb: Disturb
    ) -> None:
        submit_spans(store, *(span(n, 1, attributes={"route": "/a"}) for n in range(1, 9)))
        submit_spans(store, *(span(n, 1) for n in range(9, 11)))
        settle(store, clock)
        store = disturb()
        query = TraceQuery((ROUTE_A,), limit=None)
        few = store.search_traces(query, TraceOrder.NEWEST, EVER, most=5, enough=3)
        assert (few.traces["trace_lo"].to_pylist(), few.looked_at) == ([8, 7, 6], 5)
        every = store.search_traces(query, TraceOrder.NEWEST, EVER, most=5, enough=4)
        assert (every.traces["trace_lo"].to_pylist(), every.looked_at) == (
            list(range(8, 0, -1)),
            None,
        )

    def test_a_trace_that_opens_again_is_searched_once(
        self, store: Store, clock: ManualClock, disturb: Disturb
    ) -> None:
        submit_spans(store, span(1, 2, 1), span(2, 1))
        settle(store, clock)
        store = disturb()
        submit_spans(store, span(1, 1))
        assert searched(store) == [2, 1]
        assert searched(store, with_unsettled=False) == [2]
        settle(store, clock)
        store = disturb()
        assert searched(store, with_unsettled=False) == [2, 1]
        answer = store.search_traces(TraceQuery(), TraceOrder.SPANS, EVER).traces.to_pylist()
        assert [(r["trace_lo"], r["revision"], r["is_settled"]) for r in answer] == [
            (1, 2, True), (2, 1, True),
        ]  # fmt: skip

    def test_runs_of_a_root_are_those_that_are_settled_newest_first(
        self, store: Store, clock: ManualClock, disturb: Disturb
    ) -> None:
        submit_spans(store, *(span(n, 1, name="op") for n in (1, 2, 3, 4)), span(5, 1, name="no"))
        submit_spans(store, span(6, 1, 9, name="op"), span(7, 1, name="op", service_name="cart"))
        settle(store, clock)
        store = disturb()
        # The first is settled again as it is now, the second is still receiving spans.
        submit_spans(store, span(1, 2, 1), span(1, 3, end_unix_nano=NOON + 99 * SECOND, name="op"))
        settle(store, clock)
        submit_spans(store, span(2, 2, 1), span(8, 1, name="op"))

        def runs(roots: TimeRange = EVER, most: int = 9) -> list[dict[str, Any]]:
            found = store.root_runs("shop", "op", roots, most)
            assert found.column_names == list(ROOT_RUNS.names)
            return list(found.to_pylist())

        query = TraceQuery(
            (
                Condition(Field.ROOT_SERVICE, Comparison.EQ, "shop"),
                Condition(Field.ROOT_NAME, Comparison.EQ, "op"),
            )
        )
        found = store.search_traces(query, TraceOrder.NEWEST, EVER, with_unsettled=False).traces
        assert runs() == found.select(ROOT_RUNS.names).to_pylist()
        assert [run["trace_lo"] for run in runs()] == [6, 4, 3, 1]
        assert [run["headless"] for run in runs()] == [True, False, False, False]
        first = runs()[-1]
        assert first["duration_ns"] > 90 * SECOND
        assert runs(most=2) == runs()[:2]
        start = int(first["start_unix_nano"])
        assert runs(TimeRange(start, start + 1)) == [first]
        assert store.root_runs("shop", "nobody", EVER, 9).num_rows == 0

    def test_a_search_refuses_what_does_not_compile(self, store: Store) -> None:
        query = TraceQuery((Condition(Field.NAME, Comparison.MATCH, "a("),))
        with pytest.raises(QueryRefused):
            store.search_traces(query, TraceOrder.NEWEST, EVER)
        with pytest.raises(QueryRefused):
            store.span_values(query, [1], [SpanKey(Field.NAME)], 1)

    def test_values_are_counted_by_trace_with_their_kind(self, searchable: Store) -> None:
        keys = [SpanKey(Field.SERVICE), SpanKey(Field.NAME), SpanKey(Field.STATUS)]
        keys += [SpanKey(Field.ANY_ATTRIBUTE, key) for key in ("route", "mixed", "zone", "ok", "?")]
        ids = [HIGH | n for n in (1, 2, 3, 4, 77)]
        found = searchable.span_values(TraceQuery(), ids, keys, 3)
        rows = [tuple(row.values()) for row in found.values.to_pylist()]
        assert rows == [
            (0, "text", "shop", 3), (0, "text", "cart", 1),
            (1, "text", "op1", 2), (1, "text", "checkout", 1), (1, "text", "op2", 1),
            (2, "number", "0", 4), (2, "number", "2", 1),
            (3, "text", "/a", 2), (3, "text", "/b", 1),
            (4, "number", "1", 1), (4, "text", "1", 1),
            (5, "text", "a", 3), (5, "text", "own", 1),
            (6, "bool", "true", 1),
        ]  # fmt: skip
        assert not found.is_cut

    def test_values_are_those_of_spans_that_match(self, searchable: Store) -> None:
        broken = TraceQuery((Condition(Field.STATUS, Comparison.EQ, 2),))
        keys = [SpanKey(Field.ANY_ATTRIBUTE, "route")]
        found = searchable.span_values(broken, [HIGH | 1, HIGH | 2], keys, 3).values
        assert found["value"].to_pylist() == ["/b"]
        with pytest.raises(ValueError, match="duration"):
            searchable.span_values(broken, [HIGH | 1], [SpanKey(Field.DURATION)], 3)

    def test_paths_come_with_their_longest_segments(self, searchable: Store) -> None:
        ids = [HIGH | n for n in (2, 1, 4, 77)]
        rows = searchable.path_segments(ids, 10).to_pylist()
        assert [(r["trace_lo"], r["service"], r["label"]) for r in rows] == [
            (1, "shop", "self"), (1, "shop", "net_wait"),
            (2, "cart", "self"), (2, "cart", "net_wait"),
        ]  # fmt: skip
        longest = searchable.path_segments(ids, 1)
        assert longest["label"].to_pylist() == ["net_wait", "net_wait"]
