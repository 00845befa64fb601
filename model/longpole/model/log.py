"""A log record, as OpenTelemetry's data model has it."""

from __future__ import annotations

from dataclasses import dataclass, field

from longpole.model.span import UNKNOWN_SERVICE, Attributes, AttributeValue, Resource, Scope


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One log record. Trace and span id 0 mean "not associated with a trace"."""

    time_unix_nano: int
    observed_time_unix_nano: int
    trace_id: int
    span_id: int
    severity_number: int
    severity_text: str
    body: AttributeValue
    event_name: str = ""
    service_name: str = UNKNOWN_SERVICE
    attributes: Attributes = field(default_factory=dict)
    dropped_attributes_count: int = 0
    flags: int = 0
    resource: Resource = field(default_factory=Resource)
    scope: Scope = field(default_factory=Scope)
