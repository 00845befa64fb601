"""What a TraceQL query is made of, once its text is understood."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Type(StrEnum):
    """The type of a value; UNKNOWN is that of an attribute, which only the spans tell."""

    NIL = "nil"
    STRING = "string"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    DURATION = "duration"
    STATUS = "status"
    KIND = "kind"
    UNKNOWN = "attribute"


@dataclass(frozen=True, slots=True)
class Static:
    """A constant. Durations are nanoseconds, status and kind are OTLP's numbers."""

    type: Type
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute by scope ("" is span, then resource) and key, of the span or its parent."""

    scope: str
    key: str
    is_parent: bool = False


@dataclass(frozen=True, slots=True)
class Intrinsic:
    """What a span has without attributes, by the one name that `fields.INTRINSICS` gives it."""

    name: str
    is_parent: bool = False


@dataclass(frozen=True, slots=True)
class Unary:
    """`-x` or `!x`."""

    operator: str
    operand: FieldExpression


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic or a comparison of two values of one span."""

    operator: str
    left: FieldExpression
    right: FieldExpression


@dataclass(frozen=True, slots=True)
class Logical:
    """`&&` or `||` over two operands or more."""

    operator: str
    operands: tuple[FieldExpression, ...]


FieldExpression: TypeAlias = Static | Attribute | Intrinsic | Unary | Binary | Logical
Field: TypeAlias = Attribute | Intrinsic


@dataclass(frozen=True, slots=True)
class SpansetFilter:
    """`{ condition }`."""

    condition: FieldExpression


@dataclass(frozen=True, slots=True)
class SpansetOperation:
    """`&&`, `||` or a structural operator between two sets of spans."""

    operator: str
    left: Spanset
    right: Spanset


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`count()`, or `avg`, `max`, `min`, `sum` of a number of each span of a spanset."""

    name: str
    operand: FieldExpression | None = None


@dataclass(frozen=True, slots=True)
class ScalarOperation:
    """Arithmetic between two numbers of a spanset."""

    operator: str
    left: Scalar
    right: Scalar


@dataclass(frozen=True, slots=True)
class ScalarPipeline:
    """`(pipeline | aggregate)`: a number of the spansets that a pipeline of its own leaves."""

    stages: tuple[Stage, ...]
    aggregate: Scalar


@dataclass(frozen=True, slots=True)
class ScalarFilter:
    """Keeps the spansets of which a comparison of numbers is true."""

    operator: str
    left: Scalar
    right: Scalar


@dataclass(frozen=True, slots=True)
class GroupBy:
    """Splits spansets by the value of an expression."""

    expression: FieldExpression


@dataclass(frozen=True, slots=True)
class Coalesce:
    """Joins the spansets of a trace into one again."""


@dataclass(frozen=True, slots=True)
class Select:
    """Adds fields to what is shown of each span."""

    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Stages, each over the spansets that the one before it left."""

    stages: tuple[Stage, ...]


Scalar: TypeAlias = Static | Aggregate | ScalarOperation | ScalarPipeline
Spanset: TypeAlias = SpansetFilter | SpansetOperation | Pipeline
Stage: TypeAlias = Spanset | ScalarFilter | GroupBy | Coalesce | Select


@dataclass(frozen=True, slots=True)
class OverTime:
    """A function over the spans of each step: `rate`, `count_over_time`, `quantile_over_time` …"""

    function: str
    field: Field | None = None
    quantiles: tuple[float, ...] = ()
    by: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Compare:
    """Which values the spans of a selection have more often than the others. Times are Unix
    nanoseconds, both 0 for the whole range."""

    selection: SpansetFilter
    top: int = 10
    start_unix_nano: int = 0
    end_unix_nano: int = 0


@dataclass(frozen=True, slots=True)
class Ranked:
    """`topk(n)` or `bottomk(n)`, step by step."""

    is_top: bool
    most: int


@dataclass(frozen=True, slots=True)
class Threshold:
    """Keeps the samples that compare with a number."""

    operator: str
    value: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A pipeline, what is measured of its spans, and what is done with the series."""

    pipeline: Pipeline
    function: OverTime | Compare
    then: tuple[Ranked | Threshold, ...] = ()


@dataclass(frozen=True, slots=True)
class MetricsOperation:
    """Arithmetic between series with equal labels, or series and a number."""

    operator: str
    left: Metrics
    right: Metrics


Metrics: TypeAlias = Measured | MetricsOperation | Static


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query. `hints` are what `with(...)` says; answers are exact whatever it says."""

    root: Pipeline | Measured | MetricsOperation
    hints: tuple[tuple[str, Static], ...] = ()

    @property
    def is_metrics(self) -> bool:
        """Whether the answer is series and not traces."""
        return not isinstance(self.root, Pipeline)
