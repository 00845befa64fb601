"""What to look for: the question that the CLI, the pages and the dialects all ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from longpole.model.timerange import TimeRange


class Field(StrEnum):
    """What a condition looks at. The value is TraceQL's name for it."""

    NAME = "name"
    KIND = "kind"
    STATUS = "status"
    STATUS_MESSAGE = "statusMessage"
    DURATION = "duration"
    SERVICE = "resource.service.name"
    SPAN_ID = "span:id"
    SPAN_ATTRIBUTE = "span."
    RESOURCE_ATTRIBUTE = "resource."
    ANY_ATTRIBUTE = "."  # span first, then resource
    TRACE_ID = "trace:id"
    TRACE_DURATION = "trace:duration"
    ROOT_NAME = "trace:rootName"
    ROOT_SERVICE = "trace:rootService"


TRACE_FIELDS = frozenset(
    {Field.TRACE_ID, Field.TRACE_DURATION, Field.ROOT_NAME, Field.ROOT_SERVICE}
)


class Comparison(StrEnum):
    """How a condition compares. Regexes are RE2 and match the whole value."""

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    MATCH = "=~"
    NOT_MATCH = "!~"


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison. `key` is the attribute key for the attribute fields, else empty.

    Durations are integer nanoseconds; `KIND` and `STATUS` compare with OTLP's integers. An
    absent attribute satisfies no comparison at all, `!=` and `!~` included, as in TraceQL.
    A value compares with attributes of its own type; int and double compare as numbers.
    """

    field: Field
    comparison: Comparison
    value: str | int | float | bool
    key: str = ""


@dataclass(frozen=True, slots=True)
class TraceQuery:
    """Traces of which at least one span meets all span conditions at once, and which meet
    every trace condition. `time` bounds the start of that span. Newest first."""

    conditions: tuple[Condition, ...] = ()
    time: TimeRange = field(default_factory=TimeRange)
    limit: int | None = 20

    @property
    def span_conditions(self) -> tuple[Condition, ...]:
        """The conditions that one and the same span has to meet."""
        return tuple(c for c in self.conditions if c.field not in TRACE_FIELDS)

    @property
    def trace_conditions(self) -> tuple[Condition, ...]:
        """The conditions on the whole trace."""
        return tuple(c for c in self.conditions if c.field in TRACE_FIELDS)


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Log records that meet everything asked, newest first; an empty tuple, 0 or "" asks for
    nothing. A record is as old as its time, or as the time of its observation when it has
    none. `text` is part of the body, case ignored; a body that is no text is looked at as
    OTLP/JSON."""

    time: TimeRange = field(default_factory=TimeRange)
    services: tuple[str, ...] = ()
    least_severity: int = 0
    text: str = ""
    trace_ids: tuple[int, ...] = ()
    span_ids: tuple[int, ...] = ()
    resource_ids: tuple[int, ...] = ()
    limit: int | None = 100


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """Metric points in a time, of series that meet everything asked; an empty tuple asks for
    nothing."""

    time: TimeRange = field(default_factory=TimeRange)
    names: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    resource_ids: tuple[int, ...] = ()
