"""What is asked of all spans at once is what each of them says."""

from __future__ import annotations

from collections.abc import Iterator

from longpole.analyzer.calls import CallKeys, call_key, peer_of
from longpole.analyzer.findings.failures import failed_ones, is_failed
from longpole.analyzer.path_spans import (
    ANALYSIS_ATTRIBUTES,
    PathSpans,
    spans_of_trace,
    spans_of_whole_traces,
)
from longpole.formats.rows import telemetry_of_spans
from longpole.model.clock import ManualClock
from longpole.model.span import SpanKind
from longpole.storage.memory import MemoryStore
from tests.analyzer.span_builders import TRACE_ID, span, trace

SENT = trace(
    [
        span(1, 0, 0, 99, kind=SpanKind.SERVER, attributes={"http.response.status_code": 503}),
        span(2, 1, 1, 9, kind=SpanKind.CLIENT, error=True,
             attributes={"http.request.method": "GET", "url.full": "http://pay:80/users/7?a=1"}),
        span(3, 1, 9, 19, kind=SpanKind.CLIENT,
             attributes={"db.system": "postgresql", "db.statement": "SELECT 1 WHERE id = 7"}),
        span(4, 3, 9, 19, kind=SpanKind.SERVER, attributes={"rpc.grpc.status_code": "5"}),
        span(5, 1, 20, 21, attributes={"db.system.name": "", "server.address": "cache"}),
        span(6, 1, 21, 22, error=True),
    ]
)  # fmt: skip


def both_ways() -> Iterator[PathSpans]:
    """From objects, and from columns."""
    yield spans_of_trace(SENT)
    store = MemoryStore(ManualClock())
    store.submit(telemetry_of_spans(SENT.spans), 0).result()
    for _, spans in spans_of_whole_traces(store.whole_traces([TRACE_ID], ANALYSIS_ATTRIBUTES)):
        yield spans


def test_a_column_of_texts_has_the_text_of_each_span() -> None:
    for spans in both_ways():
        for keys in (("http.response.status_code",), ("db.system.name", "db.system")):
            assert spans.texts(keys) == [spans.text(i, keys) for i in range(len(spans))]
        assert spans.texts(("messaging.system",)) is None


def test_keys_and_peers_of_calls_are_those_of_each_call() -> None:
    for spans in both_ways():
        calls, everyone = CallKeys(spans), range(len(spans))
        assert [calls.key(i) for i in everyone] == [call_key(spans, i) for i in everyone]
        assert [calls.peer(i) for i in everyone] == [peer_of(spans, i) for i in everyone]


def test_who_failed_is_who_says_so_and_servers_that_answered_no() -> None:
    for spans in both_ways():
        assert spans.failed() == [1, 5]
        assert failed_ones(spans) == [is_failed(spans, i) for i in range(len(spans))]
        assert failed_ones(spans) == [True, True, False, True, False, True]
