"""What a LogQL query is made of, once its text is understood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Matcher:
    """`name op "value"` of a stream selector; regexes match the whole value."""

    name: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class LineFilter:
    """`|= "text" or "other"`: lines with any of these texts (`|=`), regular expressions (`|~`) or
    patterns (`|>`), or with `!` none."""

    operator: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Extract:
    """`| json`, `| logfmt` or `| unpack`: labels from the line, all of them or those that are
    named, as (label, place in the line)."""

    parser: str
    wanted: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Capture:
    """`| regexp "(?P<name>…)"` or `| pattern "<name> …"`: labels from named parts of the line."""

    parser: str
    text: str


@dataclass(frozen=True, slots=True)
class Decolorize:
    """`| decolorize`: the line without the escapes that colour it on a terminal."""


@dataclass(frozen=True, slots=True)
class Unwrap:
    """`| unwrap label`, the number of a line; `unit` is `duration`, `bytes` or nothing."""

    label: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class LabelFilter:
    """`name op value`; the value is a text, or a number of whatever unit was written."""

    name: str
    operator: str
    value: str | float


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Filters joined by `or`."""

    filters: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """Filters joined by `and`, a comma or nothing."""

    filters: tuple[Condition, ...]


Condition: TypeAlias = LabelFilter | AnyOf | AllOf


@dataclass(frozen=True, slots=True)
class Forget:
    """`| drop a, b="x"` or `| keep …`: which labels go or stay."""

    is_keep: bool
    labels: tuple[tuple[str, Matcher | None], ...]


@dataclass(frozen=True, slots=True)
class LabelFormat:
    """`| label_format a=b, c="template"`: the label, and another label or a template."""

    labels: tuple[tuple[str, str, bool], ...]


@dataclass(frozen=True, slots=True)
class LineFormat:
    """`| line_format "template"`."""

    template: str


LogStage: TypeAlias = (
    LineFilter
    | Extract
    | Capture
    | Decolorize
    | Unwrap
    | Condition
    | Forget
    | LabelFormat
    | LineFormat
)


@dataclass(frozen=True, slots=True)
class Lines:
    """A stream selector and what is done with its lines."""

    matchers: tuple[Matcher, ...]
    stages: tuple[LogStage, ...] = ()

    @property
    def are_unwrapped(self) -> bool:
        """Whether a number is taken from each."""
        return any(isinstance(stage, Unwrap) for stage in self.stages)


@dataclass(frozen=True, slots=True)
class OverTime:
    """`count_over_time(lines[range] offset …)` and its kin; times in nanoseconds. `by` None: every
    label tells series apart. `parameter` is the quantile."""

    function: str
    lines: Lines
    range_ns: int
    offset_ns: int = 0
    parameter: float = 0.0
    by: tuple[str, ...] | None = None
    is_without: bool = False


@dataclass(frozen=True, slots=True)
class Aggregation:
    """`sum by (a) (…)` and its kin. `by` None is no grouping at all."""

    operator: str
    operand: Metric
    by: tuple[str, ...] | None = None
    is_without: bool = False
    parameter: int = 0


@dataclass(frozen=True, slots=True)
class Vector:
    """`vector(1)`."""

    value: float


@dataclass(frozen=True, slots=True)
class Number:
    """A number alone."""

    value: float


@dataclass(frozen=True, slots=True)
class Operation:
    """Arithmetic or a comparison between series of equal labels, or with a number."""

    operator: str
    left: Metric
    right: Metric


@dataclass(frozen=True, slots=True)
class LabelReplace:
    """`label_replace(v, "label", "replacement", "source", "regex")`."""

    operand: Metric
    label: str
    replacement: str
    source: str
    pattern: str


Metric: TypeAlias = OverTime | Aggregation | Vector | Number | Operation | LabelReplace
Query: TypeAlias = Lines | Metric
