"""Calls between hosts, one trace each, for the tests of clocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES
from longpole.model.span import Resource, Span, SpanKind
from longpole.model.trace import Trace
from longpole.storage.ports import WholeTraces
from tests.analyzer.arrow_traces import whole_traces
from tests.analyzer.span_builders import span

BEGIN_NS = 1_700_000_000_000_000_000
MS = 1_000_000
S = 1_000 * MS


def on_host(one: Span, host: str, key: str = "host.name") -> Span:
    """The span as that host sends it; "" sends no host."""
    return replace(one, resource=Resource({key: host} if host else {}))


def called(
    trace_id: int,
    start_ms: float,
    hosts: tuple[str, str],
    server_ms: tuple[float, float] = (2, 8),
    *,
    client_ms: float = 10,
    kinds: tuple[int, int] = (SpanKind.CLIENT, SpanKind.SERVER),
    error: bool = False,
) -> Trace:
    """A request on the first host that calls the second one: the call lasts `client_ms`, the
    answer runs from one time to another within it, by a clock of its own."""
    begin = BEGIN_NS + round(start_ms * MS)

    def at(ms: float) -> int:
        return begin + round(ms * MS)

    caller, callee = hosts
    first, last = server_ms
    spans = (
        on_host(span(1, 0, at(-5), at(client_ms + 5), service="shop", kind=2), caller),
        on_host(
            span(2, 1, at(0), at(client_ms), service="shop", kind=kinds[0], error=error), caller
        ),
        on_host(span(3, 2, at(first), at(last), service="stock", kind=kinds[1]), callee),
        on_host(span(4, 3, at(first), at(last), service="stock"), callee),
    )
    return Trace(trace_id, tuple(replace(one, trace_id=trace_id) for one in spans))


def ahead(trace: Trace, offsets_ms: Mapping[str, float]) -> Trace:
    """The trace as hosts send it whose clocks are ahead by so much."""

    def seen(one: Span) -> Span:
        host = next(iter(one.resource.attributes.values()), "")
        off = round(offsets_ms.get(str(host), 0) * MS)
        return replace(
            one, start_unix_nano=one.start_unix_nano + off, end_unix_nano=one.end_unix_nano + off
        )

    return replace(trace, spans=tuple(seen(one) for one in trace.spans))


def columns(traces: Sequence[Trace]) -> WholeTraces:
    """The traces as the settle loop gets them."""
    return whole_traces(traces, ANALYSIS_ATTRIBUTES)
