"""Two small traces of a shop: one that failed in its payment, one that went well."""

from __future__ import annotations

from typing import Any

from longpole.model.span import Resource, Scope, Span, SpanEvent, SpanLink

NOON = 1_700_000_000 * 10**9
MS = 10**6
FAILED, FINE = 0xAAAA << 64 | 1, 0xAAAA << 64 | 2


def span(trace: int, number: int, parent: int, service: str, **fields: Any) -> Span:
    """Span `number` starts so many milliseconds after its trace and takes 100 ms less."""
    start = NOON + (trace & 0xFF) * 10**9 + number * MS
    values: dict[str, Any] = {
        "name": f"op {number}", "kind": 2, "start_unix_nano": start,
        "end_unix_nano": start + (100 - number) * MS, "service_name": service,
        "resource": Resource({"service.name": service, "region": f"{service}-eu"}),
        "scope": Scope("lib", "1.0"),
    }  # fmt: skip
    return Span(trace, number, parent, **(values | fields))


EXCEPTION = SpanEvent(
    NOON + 1_050 * MS, "exception", {"exception.type": "Declined", "exception.message": "no <b>"}
)
SPANS = (
    span(FAILED, 1, 0, "gateway", name="GET /cart", status_code=2, attributes={"retries": 3}),
    span(FAILED, 2, 1, "cart", kind=3, status_code=2, attributes={"db.system": "postgresql"}),
    span(FAILED, 3, 2, "payment", status_code=2, status_message="declined", events=(EXCEPTION,)),
    span(FAILED, 4, 2, "stock", attributes={"retries": 3.5, "cached": True, "tags": ["a"]}),
    span(FINE, 1, 0, "gateway", name="GET /", links=(SpanLink(FAILED, 1),)),
    span(FINE, 2, 1, "cart", attributes={"retries": "3", "db.system": "redis"}),
)
