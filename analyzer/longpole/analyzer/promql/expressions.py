"""What a PromQL query says, as a tree of frozen nodes. `at` is where a node stands in the text."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias


class ValueType(StrEnum):
    """What a node yields."""

    SCALAR = "scalar"
    STRING = "string"
    VECTOR = "instant vector"
    MATRIX = "range vector"


Place: TypeAlias = tuple[int, int]


class MatchOp(StrEnum):
    """How a label is matched. Regexes match the whole value."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on one label; a label that is absent has the value ""."""

    label: str
    op: MatchOp
    value: str


@dataclass(frozen=True, slots=True)
class Number:
    """A literal, also written as a duration (`5m` is 300)."""

    value: float
    at: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Text:
    """A string literal."""

    value: str
    at: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Shift:
    """When a selector looks: `offset_ms` earlier, at a fixed time (`@ 1609746000`), or at the
    `anchor` "start" or "end" of the query."""

    offset_ms: int = 0
    fixed_ms: int | None = None
    anchor: str = ""

    @property
    def is_fixed(self) -> bool:
        """Whether the value is the same at every step."""
        return self.fixed_ms is not None or bool(self.anchor)


@dataclass(frozen=True, slots=True)
class VectorSelector:
    """Series by their labels; the name of the metric is the matcher of `__name__`."""

    matchers: tuple[Matcher, ...]
    shift: Shift
    at: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class MatrixSelector:
    """The samples of a time before each step."""

    selector: VectorSelector
    range_ms: int
    at: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Subquery:
    """An expression asked again and again over a time; `step_ms` None is the default."""

    inner: Expression
    range_ms: int
    step_ms: int | None
    shift: Shift
    at: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Paren:
    """Parentheses, kept so that a query can be written back."""

    inner: Expression
    at: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Unary:
    """`-` or `+`."""

    op: str
    inner: Expression
    at: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Matching:
    """How the sides of an operation between vectors find each other. `group` is "" for one to
    one, "left" or "right" for the side of which there may be many; `include` are labels that
    the many take over from the one."""

    is_on: bool = False
    labels: tuple[str, ...] = ()
    group: str = ""
    include: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic, a comparison (`is_bool`: 0 or 1 in place of a filter) or a set operation."""

    op: str
    left: Expression
    right: Expression
    is_bool: bool
    matching: Matching
    at: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Aggregation:
    """`sum by (job) (…)`; `parameter` for topk, bottomk, quantile and count_values."""

    op: str
    inner: Expression
    parameter: Expression | None
    is_without: bool
    labels: tuple[str, ...]
    at: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the table in `signatures`."""

    name: str
    arguments: tuple[Expression, ...]
    at: Place = field(compare=False)


Expression: TypeAlias = (
    Number
    | Text
    | VectorSelector
    | MatrixSelector
    | Subquery
    | Paren
    | Unary
    | Binary
    | Aggregation
    | Call
)

ARITHMETIC = frozenset({"+", "-", "*", "/", "%", "^", "atan2"})
COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
SETS = frozenset({"and", "or", "unless"})
AGGREGATIONS = frozenset(
    {"sum", "avg", "count", "min", "max", "group", "stddev", "stdvar", "topk", "bottomk",
     "quantile", "count_values"}
)  # fmt: skip
WITH_PARAMETER = frozenset({"topk", "bottomk", "quantile", "count_values"})


def unwrapped(expression: Expression) -> Expression:
    """The expression inside of its parentheses."""
    while isinstance(expression, Paren):
        expression = expression.inner
    return expression
