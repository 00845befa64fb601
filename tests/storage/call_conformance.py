"""What `CallReader` promises, part of the suite of every engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from longpole.model import columns
from longpole.model.timerange import TimeRange
from longpole.storage.answers import CALL_SERIES
from longpole.storage.ports import CallSeriesQuery, Store
from tests.storage.span_examples import NOON, span, submit_spans

Disturb = Callable[[], Store]
STEP = columns.RED_STEP_NS
START = NOON - NOON % (6 * STEP)
EVERYTHING = TimeRange(START, START + 12 * STEP)
MS = 1_000_000
CLIENT, SERVER, PRODUCER, CONSUMER = 3, 2, 4, 5


def _span(trace: int, number: int, parent: int, kind: int, service: str, **more: Any) -> Any:
    """A span of 5 ms less a millisecond for each number, ending in the second step."""
    end = START + STEP + trace * MS
    fields = {"end_unix_nano": end, "start_unix_nano": end - (5 - number) * MS}
    return span(trace, number, parent, kind=kind, service_name=service, **(fields | more))


def _rows(store: Store, **asked: Any) -> list[tuple[Any, ...]]:
    query = CallSeriesQuery(**{"time": EVERYTHING, "step_ns": STEP, **asked})
    names = ("client", "server", "connection_type", "count", "failed")
    return [tuple(row[n] for n in names) for row in store.call_series(query).to_pylist()]


class CallConformance:
    """Mixed into `StoreConformance`."""

    def test_calls_of_nothing_are_empty(self, store: Store, disturb: Disturb) -> None:
        found = disturb().call_series(CallSeriesQuery(EVERYTHING, STEP))
        assert (found.schema, found.num_rows) == (CALL_SERIES, 0)

    def test_both_sides_of_a_call_meet_wherever_they_lie(
        self, store: Store, disturb: Disturb
    ) -> None:
        submit_spans(
            store,
            _span(1, 1, 0, SERVER, "web"), _span(1, 2, 1, CLIENT, "web"),
            _span(1, 3, 2, SERVER, "cart"), _span(2, 1, 0, CLIENT, "app"),
            _span(3, 1, 9, PRODUCER, "web"),
        )  # fmt: skip
        store = disturb()
        submit_spans(
            store,
            _span(2, 2, 1, SERVER, "cart", status_code=2), _span(3, 2, 1, CONSUMER, "mail"),
            _span(4, 2, 8, SERVER, "orphan"), _span(4, 3, 2, 1, "inner"),
        )  # fmt: skip
        store = disturb()
        expected = [
            ("app", "cart", "", 1, 1), ("user", "web", "virtual_node", 1, 0),
            ("web", "cart", "", 1, 0), ("web", "mail", "messaging_system", 1, 0),
        ]  # fmt: skip
        assert _rows(store) == expected
        assert _rows(store, by_step=False, step_ns=6 * STEP) == expected
        assert _rows(store, time=TimeRange(START, START + STEP)) == []
        (row,) = (r for r in store.call_series(CallSeriesQuery(EVERYTHING, STEP)).to_pylist()
                  if r["server"] == "mail")  # fmt: skip
        assert (row["step_unix_nano"], row["client_ns"], row["server_ns"]) == (
            START + STEP, 4 * MS, 3 * MS,
        )  # fmt: skip
        assert row["client_buckets"] == row["server_buckets"] == [0, 1, *[0] * 15]

    def test_one_side_tells_of_databases_and_peers(self, store: Store, disturb: Disturb) -> None:
        said: list[dict[str, Any]] = [
            {"db.system": "redis", "server.address": "cache-1"},
            {"db.system.name": "pg", "peer.service": "orders-db"},
            {"db.name": "shop", "network.peer.address": "10.0.0.1", "network.peer.port": 5432},
            {"db.namespace": "plain"},
            {"peer.service": "pay"},
            {"server.address": "nobody"},
        ]  # fmt: skip
        submit_spans(store, *(
            _span(n, 1, 7, CLIENT, "web", attributes=one) for n, one in enumerate(said[:3], 1)
        ))  # fmt: skip
        store = disturb()
        submit_spans(store, *(
            _span(n, 1, 7, CLIENT, "web", attributes=one) for n, one in enumerate(said[3:], 4)
        ))  # fmt: skip
        assert _rows(store) == [
            ("web", "10.0.0.1:5432", "database", 1, 0), ("web", "cache-1", "database", 1, 0),
            ("web", "orders-db", "database", 1, 0), ("web", "pay", "virtual_node", 1, 0),
            ("web", "plain", "database", 1, 0),
        ]  # fmt: skip
