"""Stories: traces told call by call in milliseconds, for the tests of the detectors."""

from __future__ import annotations

from collections.abc import Mapping

from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.findings.detector import Detector
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.model.finding import Finding
from longpole.model.span import AttributeValue, Resource, Span, SpanKind
from longpole.model.trace import Trace

TRACE_ID = 0x0AF7651916CD43DD8448EB211C80319C
BEGIN_NS = 1_700_000_000_000_000_000
MS = 1_000_000

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = (
    SpanKind.INTERNAL,
    SpanKind.SERVER,
    SpanKind.CLIENT,
    SpanKind.PRODUCER,
    SpanKind.CONSUMER,
)


class Story:
    """Collects spans; ids count from 1."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def add(
        self,
        parent: int,
        start_ms: float,
        end_ms: float,
        service: str,
        name: str,
        kind: int = INTERNAL,
        *,
        error: str | None = None,
        host: str = "",
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> int:
        """One span; with `error` it failed with that message. Returns its id."""
        span_id = len(self.spans) + 1
        resource = {"service.name": service} | ({"host.name": host} if host else {})
        self.spans.append(
            Span(
                trace_id=TRACE_ID,
                span_id=span_id,
                parent_span_id=parent,
                name=name,
                kind=int(kind),
                start_unix_nano=BEGIN_NS + round(start_ms * MS),
                end_unix_nano=BEGIN_NS + round(end_ms * MS),
                service_name=service,
                status_code=0 if error is None else 2,
                status_message=error or "",
                attributes=attributes or {},
                resource=Resource(resource),
            )
        )
        return span_id

    def call(
        self,
        parent: int,
        start_ms: float,
        end_ms: float,
        services: str,
        name: str,
        *,
        error: str | None = None,
        status: int = 0,
    ) -> tuple[int, int]:
        """A call `a > b`: a CLIENT span of a and, half a millisecond inside, a SERVER span of b.
        With a 4xx `status` only the CLIENT span fails, as the conventions for HTTP have it."""
        caller, callee = services.split(" > ")
        attributes = {"http.response.status_code": status} if status else {}
        client = self.add(
            parent, start_ms, end_ms, caller, name, CLIENT,
            error=error, attributes={"server.address": callee, **attributes},
        )  # fmt: skip
        server = self.add(
            client, start_ms + 0.5, end_ms - 0.5, callee, name, SERVER,
            error=None if 400 <= status < 500 else error, attributes=attributes,
        )  # fmt: skip
        return client, server

    def explained(self) -> Explanation:
        """What the analysis makes of it."""
        return explain(Trace(TRACE_ID, tuple(self.spans)))

    def findings(
        self, detector: Detector, thresholds: Thresholds | None = None
    ) -> tuple[Finding, ...]:
        """What one detector says of it."""
        return tuple(detector.look(self.explained(), thresholds or Thresholds()))

    def only(self, detector: Detector, thresholds: Thresholds | None = None) -> Finding:
        """The one finding there must be."""
        found = self.findings(detector, thresholds)
        assert len(found) == 1, found
        return found[0]
