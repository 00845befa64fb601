"""Span manners: what every span of the shop says, whoever made it."""

from __future__ import annotations

from typing import Any

import grpc
from opentelemetry import baggage
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor

SAGA_ID = "saga.id"
STATUS_NAMES = {status.value[0]: status.name for status in grpc.StatusCode}


class SpanManners(SpanProcessor):
    """Puts a span right, then hands it on to `inner`:

    - `saga.id` from the baggage, so that any service's part of a saga is found by it,
    - for gRPC the names of the current conventions beside those that the package writes.
    """

    def __init__(self, inner: SpanProcessor | None = None) -> None:
        self._inner = inner or SpanProcessor()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Called on the thread that starts the span."""
        saga_id = baggage.get_baggage(SAGA_ID, parent_context)
        if saga_id is not None:
            span.set_attribute(SAGA_ID, str(saga_id))
        if (span.attributes or {}).get("rpc.system") == "grpc":
            method = span.name.lstrip("/")
            span.update_name(method)
            span.set_attributes({"rpc.system.name": "grpc", "rpc.method": method})
        self._inner.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        """The status of a call is known only now, when the span can't be written any more: a
        copy goes on."""
        attributes = dict(span.attributes or {})
        status = attributes.get("rpc.grpc.status_code")
        if isinstance(status, int):
            attributes["rpc.response.status_code"] = STATUS_NAMES.get(status, str(status))
            span = copy_of(span, attributes=attributes)
        self._inner.on_end(span)

    def shutdown(self) -> None:
        """Sends what is left."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Sends what there is; False when the time was too short."""
        return self._inner.force_flush(timeout_millis)


def copy_of(
    span: ReadableSpan, *, attributes: dict[str, Any] | None = None, shift_nanoseconds: int = 0
) -> ReadableSpan:
    """An ended span with other attributes, or with all its times moved."""
    start, end = span.start_time, span.end_time
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes if attributes is None else attributes,
        events=[
            Event(event.name, event.attributes, event.timestamp + shift_nanoseconds)
            for event in span.events
        ],
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=None if start is None else start + shift_nanoseconds,
        end_time=None if end is None else end + shift_nanoseconds,
        instrumentation_scope=span.instrumentation_scope,
    )
