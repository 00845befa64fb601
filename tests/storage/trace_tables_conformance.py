"""What `TraceTables` promises, part of the suite of every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from longpole.formats.rows import spans_of
from longpole.model.signals import Signal
from longpole.model.telemetry import TABLES_OF_SIGNAL
from longpole.storage.ports import Store
from tests.storage.span_examples import HIGH, RICH, contents, span, submit_spans

Disturb = Callable[[], Store]


class TraceTablesConformance:
    """Inherited by `StoreConformance`."""

    def test_traces_come_as_tables_whole_and_each_span_once(
        self, store: Store, disturb: Disturb
    ) -> None:
        empty = store.trace_tables([HIGH | 1])
        assert {name: table.schema for name, table in empty.items()} == (
            TABLES_OF_SIGNAL[Signal.TRACES]
        )
        twin = replace(RICH, name="another with this id")
        submit_spans(store, RICH, span(2, 2), span(3, 1))
        store = disturb()
        submit_spans(store, RICH, twin, span(2, 1))
        tables = store.trace_tables([HIGH | 2, HIGH | 1, HIGH | 9])
        assert contents(spans_of(tables)) == contents([RICH, twin, span(2, 1), span(2, 2)])
        ids = tables["spans"].column("trace_lo").to_pylist()
        assert ids == sorted(ids)
        resources = tables["resources"].column("resource_id").to_pylist()
        assert len(resources) == len(set(resources))

    def test_keys_are_told_apart_by_where_they_occur(self, store: Store, disturb: Disturb) -> None:
        submit_spans(store, span(1, 1, attributes={"retries": 3, "region": "eu"}))
        store = disturb()
        places = store.attribute_places()
        assert places["span", "retries"] == "BIGINT"
        assert places["resource", "service.name"] == "VARCHAR"
        assert ("resource", "retries") not in places
