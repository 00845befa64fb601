"""Builds traces of one request and the calls it makes, for the tests of call patterns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.findings.detect import detect
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.model.finding import Finding
from longpole.model.span import AttributeValue, Span, SpanKind
from tests.analyzer.span_builders import span, trace

MS = 1_000_000
SQL = "SELECT * FROM lines WHERE order_id = $1"


def request(
    ms: float, *calls: Span, service: str = "orders", name: str = "GET /orders"
) -> list[Span]:
    """A root span of that length, with these spans below it."""
    return [span(1, 0, 0, round(ms * MS), service=service, name=name, kind=SpanKind.SERVER), *calls]


def query(
    span_id: int,
    start_ms: float,
    ms: float,
    text: str = SQL,
    *,
    name: str = "SELECT lines",
    parent: int = 1,
    service: str = "orders",
    error: bool = False,
) -> Span:
    """A query of PostgreSQL."""
    return span(
        span_id,
        parent,
        round(start_ms * MS),
        round((start_ms + ms) * MS),
        service=service,
        name=name,
        kind=SpanKind.CLIENT,
        error=error,
        attributes={"db.system.name": "postgresql", "db.query.text": text},
    )


def call(
    span_id: int,
    start_ms: float,
    ms: float,
    url: str,
    *,
    method: str = "GET",
    name: str = "",
    parent: int = 1,
    service: str = "orders",
    error: bool = False,
    attributes: Mapping[str, AttributeValue] | None = None,
) -> Span:
    """An HTTP call."""
    return span(
        span_id,
        parent,
        round(start_ms * MS),
        round((start_ms + ms) * MS),
        service=service,
        name=name or method,
        kind=SpanKind.CLIENT,
        error=error,
        attributes={
            "http.request.method": method,
            "url.full": url,
            **(attributes or {}),
        },
    )


def answer(
    span_id: int,
    parent: int,
    start_ms: float,
    ms: float,
    service: str,
    *,
    name: str = "GET",
    error: bool = False,
) -> Span:
    """The span of the server that answers a call."""
    return span(
        span_id,
        parent,
        round(start_ms * MS),
        round((start_ms + ms) * MS),
        service=service,
        name=name,
        kind=SpanKind.SERVER,
        error=error,
    )


def found(
    spans: Iterable[Span], detector: str, thresholds: Thresholds | None = None
) -> list[Finding]:
    """What one detector says of a trace."""
    findings = detect(explained(list(spans)), thresholds or Thresholds())
    return [finding for finding in findings if finding.detector == detector]


def one(spans: Iterable[Span], detector: str) -> Finding:
    """The only finding of a detector."""
    (finding,) = found(spans, detector)
    return finding


def explained(spans: Sequence[Span]) -> Explanation:
    """The explanation of a trace of these spans."""
    return explain(trace(spans))
