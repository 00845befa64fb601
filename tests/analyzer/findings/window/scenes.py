"""Scenes: many traces and their logs, told in milliseconds, for rules that look at a window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.findings.window.gather import ATTRIBUTES
from longpole.analyzer.findings.window.span_columns import SpanColumns, span_columns
from longpole.analyzer.findings.window.window import Window, WindowDetector, WindowFinding
from longpole.formats.rows import telemetry_of_spans
from longpole.model.clock import ManualClock
from longpole.model.ids import split_trace_id
from longpole.model.span import AttributeValue, Resource, Span, SpanKind, SpanLink
from longpole.storage.memory import MemoryStore

BEGIN_NS = 1_700_000_000_000_000_000
MS = 1_000_000
SERVER, CLIENT, PRODUCER, CONSUMER = (
    int(SpanKind.SERVER),
    int(SpanKind.CLIENT),
    int(SpanKind.PRODUCER),
    int(SpanKind.CONSUMER),
)


@dataclass
class Scene:
    """Times are milliseconds after the beginning of the window; what is before has a negative
    one. The window is `seconds` long, as is the time before it."""

    seconds: float = 60.0
    has_past: bool = True
    spans: list[Span] = field(default_factory=list)
    logs: list[tuple[float, str, str, Span | None, int]] = field(default_factory=list)

    def add(
        self,
        trace: int,
        start_ms: float,
        end_ms: float,
        service: str,
        name: str,
        kind: int = SERVER,
        *,
        parent: Span | None = None,
        error: str | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        resource: Mapping[str, AttributeValue] | None = None,
        link: Span | None = None,
    ) -> Span:
        """One span of a trace, with the others of the same number."""
        span = Span(
            trace_id=trace,
            span_id=len(self.spans) + 1,
            parent_span_id=parent.span_id if parent else 0,
            name=name,
            kind=kind,
            start_unix_nano=BEGIN_NS + round(start_ms * MS),
            end_unix_nano=BEGIN_NS + round(end_ms * MS),
            service_name=service,
            status_code=0 if error is None else 2,
            status_message=error or "",
            attributes=attributes or {},
            links=(SpanLink(link.trace_id, link.span_id),) if link else (),
            resource=Resource({"service.name": service, **(resource or {})}),
        )
        self.spans.append(span)
        return span

    def log(
        self, at_ms: float, service: str, body: str, span: Span | None = None, severity: int = 17
    ) -> None:
        """One log record, of level ERROR unless told otherwise."""
        self.logs.append((at_ms, service, body, span, severity))

    def window(self) -> Window:
        """What a window detector gets to see of it."""
        end = BEGIN_NS + round(self.seconds * 1_000) * MS
        clock = ManualClock()
        store = MemoryStore(clock)
        store.submit(telemetry_of_spans(self.spans), 0).result()
        of = {s.trace_id: s.start_unix_nano >= BEGIN_NS for s in reversed(self.spans)}
        inside, before = (
            _columns(store, [t for t, is_in in of.items() if is_in is wanted], begin, until)
            for wanted, begin, until in ((True, BEGIN_NS, end), (False, 0, BEGIN_NS))
        )
        store.close()
        return Window(
            spans=inside,
            before=before,
            logs=self._table(inside, True),
            logs_before=self._table(before, False),
            begin=BEGIN_NS,
            end=end,
            before_ns=end - BEGIN_NS if self.has_past else 0,
        )

    def _table(self, spans: SpanColumns, is_inside: bool) -> pa.Table:
        chosen = [log for log in self.logs if (log[0] >= 0) is is_inside]
        rows = {
            (spans.trace_ids[int(number)], int(span_id)): row
            for row, (number, span_id) in enumerate(zip(spans.trace, spans.span_ids, strict=True))
        }
        return pa.table(
            {
                "time_unix_nano": pa.array(
                    [BEGIN_NS + round(at * MS) for at, *_ in chosen], pa.int64()
                ),
                "trace_hi": pa.array(
                    [split_trace_id(s.trace_id)[0] if s else 0 for *_, s, _ in chosen], pa.uint64()
                ),
                "severity_number": pa.array([level for *_, level in chosen], pa.int64()),
                "body": pa.array([body for _, _, body, _, _ in chosen], pa.string()),
                "service_name": pa.array([service for _, service, *_ in chosen], pa.string()),
                "row": pa.array(
                    [rows.get((s.trace_id, s.span_id), -1) if s else -1 for *_, s, _ in chosen],
                    pa.int64(),
                ),
            }
        )

    def findings(
        self, detector: WindowDetector, thresholds: Thresholds | None = None
    ) -> list[WindowFinding]:
        """What one detector says of it."""
        return list(detector.look(self.window(), thresholds or Thresholds()))

    def only(self, detector: WindowDetector, thresholds: Thresholds | None = None) -> WindowFinding:
        """The one finding there must be."""
        (finding,) = self.findings(detector, thresholds)
        return finding


def _columns(store: MemoryStore, ids: list[int], begin: int, end: int) -> SpanColumns:
    return span_columns([store.whole_traces(ids, ATTRIBUTES)], begin, end)
