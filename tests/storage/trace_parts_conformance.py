"""What `TraceParts` promises, part of the suite of every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from longpole.formats.rows import telemetry_of_logs
from longpole.model.clock import ManualClock
from longpole.model.log import LogRecord
from longpole.storage.ports import Store, TraceVersion
from longpole.storage.trace_parts import EVENTS
from tests.storage.span_examples import HIGH, RICH, contents, settle, span, submit, submit_spans

Disturb = Callable[[], Store]


class TracePartsConformance:
    """Inherited by `StoreConformance`."""

    def test_the_version_of_a_trace_tells_its_states_apart(
        self, store: Store, clock: ManualClock, disturb: Disturb
    ) -> None:
        assert store.trace_version(HIGH | 1) is None
        submit_spans(store, span(1, 1), span(2, 1))
        assert store.trace_version(HIGH | 1) == TraceVersion(0, False, 1, 0)
        store = disturb()
        submit_spans(store, span(1, 2, 1), span(1, 3, 1))
        assert store.trace_version(HIGH | 1) == TraceVersion(0, False, 3, 0)
        settle(store, clock)
        assert store.trace_version(HIGH | 1) == TraceVersion(1, True, 3, 0)
        store = disturb()
        assert store.trace_version(HIGH | 1) == TraceVersion(1, True, 3, 0)
        submit(store, telemetry_of_logs([LogRecord(1, 1, HIGH | 1, 1, 9, "INFO", "x")]))
        assert store.trace_version(HIGH | 1) == TraceVersion(1, True, 3, 1)
        submit_spans(store, span(1, 4, 1))
        assert store.trace_version(HIGH | 1) == TraceVersion(1, False, 4, 1)

    def test_some_spans_of_a_trace_come_whole_and_each_once(
        self, store: Store, disturb: Disturb
    ) -> None:
        twin = replace(RICH, name="another with this id")
        submit_spans(store, RICH, span(1, 2, 1), span(1, 3, 1))
        store = disturb()
        submit_spans(store, RICH, twin, span(2, 2))
        assert contents(store.spans_of(HIGH | 1, [1, 3, 99])) == contents(
            [RICH, span(1, 3, 1), twin]
        )
        assert store.spans_of(HIGH | 1, []) == ()
        assert store.spans_of(HIGH | 9, [1]) == ()

    def test_events_come_by_span_in_the_order_in_which_they_were_sent(
        self, store: Store, disturb: Disturb
    ) -> None:
        assert store.events_of_trace(HIGH | 1).schema == EVENTS
        submit_spans(store, RICH, span(1, 2, 1), span(2, 1, events=RICH.events))
        store = disturb()
        submit_spans(store, span(1, 3, 1, events=RICH.events[2:]))
        rows = store.events_of_trace(HIGH | 1).to_pylist()
        assert [row["name"] for row in rows] == ["first", "second", "third", "third"]
        assert [row["time_unix_nano"] for row in rows] == [
            event.time_unix_nano for event in (*RICH.events, RICH.events[2])
        ]
        whole = store.whole_traces([HIGH | 1], ())
        of_row = dict(
            zip(whole.spans["row_id"].to_pylist(), whole.spans["span_id"].to_pylist(), strict=True)
        )
        assert [of_row[row["row_id"]] for row in rows] == [1, 1, 1, 3]

    def test_the_view_of_a_trace_is_that_of_the_revision_it_was_put_for(
        self, store: Store, disturb: Disturb
    ) -> None:
        trace_id = HIGH | 1
        assert store.view_of_trace(trace_id, 1) is None
        store.put_view(trace_id, 1, b"first")
        store.put_view(HIGH | 2, 1, b"")
        store = disturb()
        assert store.view_of_trace(trace_id, 1) == b"first"
        assert store.view_of_trace(trace_id, 2) is None
        assert store.view_of_trace(HIGH | 2, 1) == b""
        store.put_view(trace_id, 2, b"second")
        store = disturb()
        assert store.view_of_trace(trace_id, 2) == b"second"
        assert store.view_of_trace(trace_id, 1) is None
