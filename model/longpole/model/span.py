"""A span and what hangs on it, as OpenTelemetry's data model has them.

Objects are for single traces and edges; anything that handles many traces works on the
columns of `columns.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

# None is OTLP's AnyValue without a value, which is distinct from an absent attribute.
AttributeValue: TypeAlias = (
    str
    | bool
    | int
    | float
    | bytes
    | None
    | Sequence["AttributeValue"]
    | Mapping[str, "AttributeValue"]
)
Attributes: TypeAlias = Mapping[str, AttributeValue]

UNKNOWN_SERVICE = "unknown_service"


class SpanKind(IntEnum):
    """The values that OTLP defines; other numbers are kept as plain integers."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class StatusCode(IntEnum):
    """The values that OTLP defines; other numbers are kept as plain integers."""

    UNSET = 0
    OK = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Resource:
    """The entity that produced telemetry. `entity_refs` (OTLP 1.9+) is not kept."""

    attributes: Attributes = field(default_factory=dict)
    dropped_attributes_count: int = 0
    schema_url: str = ""

    @property
    def service_name(self) -> str:
        """`service.name`, or `unknown_service` when absent, empty or not a string."""
        name = self.attributes.get("service.name")
        return name if isinstance(name, str) and name else UNKNOWN_SERVICE


@dataclass(frozen=True, slots=True)
class Scope:
    """The instrumentation scope."""

    name: str = ""
    version: str = ""
    attributes: Attributes = field(default_factory=dict)
    dropped_attributes_count: int = 0
    schema_url: str = ""


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """A timestamped annotation."""

    time_unix_nano: int
    name: str
    attributes: Attributes = field(default_factory=dict)
    dropped_attributes_count: int = 0


@dataclass(frozen=True, slots=True)
class SpanLink:
    """A pointer to a span of this or another trace."""

    trace_id: int
    span_id: int
    trace_state: str = ""
    attributes: Attributes = field(default_factory=dict)
    dropped_attributes_count: int = 0
    flags: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """One span. `parent_span_id` 0 means none. Times are Unix nanoseconds as sent: the end
    may lie before the start, and both may be any unsigned 64-bit value read as a signed one
    (a time after the year 2262 is therefore negative; exports turn it back)."""

    trace_id: int
    span_id: int
    parent_span_id: int
    name: str
    kind: int
    start_unix_nano: int
    end_unix_nano: int
    service_name: str = UNKNOWN_SERVICE
    status_code: int = 0
    status_message: str = ""
    attributes: Attributes = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    links: tuple[SpanLink, ...] = ()
    trace_state: str = ""
    flags: int = 0
    dropped_attributes_count: int = 0
    dropped_events_count: int = 0
    dropped_links_count: int = 0
    resource: Resource = field(default_factory=Resource)
    scope: Scope = field(default_factory=Scope)

    @property
    def duration_ns(self) -> int:
        """End minus start in signed 64 bits, as the column `duration_ns` holds it: negative
        when the sender's clock went backwards, and still right between times that were
        unsigned and lie on both sides of 2^63."""
        return (self.end_unix_nano - self.start_unix_nano + 2**63) % 2**64 - 2**63

    @property
    def is_error(self) -> bool:
        """Whether the status says error."""
        return self.status_code == StatusCode.ERROR
