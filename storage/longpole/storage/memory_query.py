"""Answers questions over plain span objects: slow, and simple enough to be obviously right."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from longpole.model.ids import span_id_hex, split_trace_id, trace_id_hex
from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.model.span import Attributes, AttributeValue, Span
from longpole.storage.answers import FOUND_TRACES
from longpole.storage.query_checks import full_match

_ORDERS: dict[Comparison, Callable[[Any, Any], bool]] = {
    Comparison.EQ: operator.eq,
    Comparison.NE: operator.ne,
    Comparison.LT: operator.lt,
    Comparison.LE: operator.le,
    Comparison.GT: operator.gt,
    Comparison.GE: operator.ge,
}


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One row of `FoundTraces`, before it becomes a column."""

    trace_id: int
    values: dict[str, object]

    @property
    def newest_first(self) -> tuple[int, int]:
        """The sort key: start of the root descending, then trace id."""
        start = self.values["start_unix_nano"]
        assert isinstance(start, int)
        return (-start, self.trace_id)


def compares(actual: AttributeValue, condition: Condition) -> bool:
    """Whether a value satisfies a comparison; values of another type satisfy none."""
    wanted = condition.value
    if condition.comparison in (Comparison.MATCH, Comparison.NOT_MATCH):
        if not isinstance(actual, str) or not isinstance(wanted, str):
            return False
        return full_match(wanted, actual) == (condition.comparison is Comparison.MATCH)
    if _kind(actual) != _kind(wanted) or _kind(actual) == "other":
        return False
    if isinstance(actual, float) and math.isnan(actual):
        return False
    return _ORDERS[condition.comparison](actual, wanted)


def span_matches(span: Span, query: TraceQuery) -> bool:
    """Whether one span meets every span condition and starts in the query's time."""
    if not query.time.start_unix_nano <= span.start_unix_nano < query.time.end_unix_nano:
        return False
    return all(_span_meets(span, condition) for condition in query.span_conditions)


def trace_matches(row: TraceRow, query: TraceQuery) -> bool:
    """Whether a trace meets every trace condition."""
    actual: dict[Field, Any] = {
        Field.TRACE_ID: trace_id_hex(row.trace_id),
        Field.TRACE_DURATION: row.values["duration_ns"],
        Field.ROOT_NAME: row.values["root_operation"],
        Field.ROOT_SERVICE: row.values["root_service"],
    }
    return all(compares(actual[c.field], _lower_hex(c)) for c in query.trace_conditions)


def plain_row(trace_id: int, spans: Sequence[Span], revision: int) -> TraceRow:
    """What is said of a trace that is not settled: its root is the longest span without a
    parent, else the longest span; of equally long ones the earliest, then the lowest id."""
    tops = [span for span in spans if not span.parent_span_id]
    root = min(tops or spans, key=lambda s: (-s.duration_ns, s.start_unix_nano, s.span_id))
    hi, lo = split_trace_id(trace_id)
    return TraceRow(
        trace_id,
        {
            "trace_hi": hi,
            "trace_lo": lo,
            "revision": revision,
            "root_span_id": root.span_id,
            "root_service": root.service_name,
            "root_operation": root.name,
            "start_unix_nano": root.start_unix_nano,
            "duration_ns": root.duration_ns,
            "span_count": len(spans),
            "error_count": sum(span.is_error for span in spans),
            "service_count": len({span.service_name for span in spans}),
            "orphans": 0,
            "headless": not tops,
            "late": 0,
            "skew_shifts": 0,
            "detached": 0,
            "ambiguous_ns": 0,
            "verdict": "",
            "clocks": "",
            "is_settled": False,
        },
    )


def found_table(rows: Iterable[TraceRow]) -> pa.Table:
    """The rows as columns `columns.TRACES` and `is_settled`."""
    return pa.Table.from_pylist([row.values for row in rows], schema=FOUND_TRACES)


def nearest_rank(ascending: Sequence[int], percent: int) -> int | None:
    """The smallest value that `percent` of the values do not exceed; None without values."""
    if not ascending:
        return None
    return ascending[max(0, -(-percent * len(ascending) // 100) - 1)]


def sql_type(value: AttributeValue) -> str:
    """The SQL type in which a view shows a value."""
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, int):
        return "BIGINT"
    return "DOUBLE" if isinstance(value, float) else "VARCHAR"


def widest(first: str, second: str) -> str:
    """The SQL type that holds values of both."""
    if first == second:
        return first
    return "DOUBLE" if {first, second} == {"BIGINT", "DOUBLE"} else "VARCHAR"


def _span_meets(span: Span, condition: Condition) -> bool:
    match condition.field:
        case Field.NAME:
            return compares(span.name, condition)
        case Field.KIND:
            return compares(int(span.kind), condition)
        case Field.STATUS:
            return compares(int(span.status_code), condition)
        case Field.STATUS_MESSAGE:
            return compares(span.status_message, condition)
        case Field.DURATION:
            return compares(span.duration_ns, condition)
        case Field.SERVICE:
            return compares(span.service_name, condition)
        case Field.SPAN_ID:
            return compares(span_id_hex(span.span_id), _lower_hex(condition))
    places: tuple[Attributes, ...] = (span.attributes, span.resource.attributes)
    if condition.field is Field.SPAN_ATTRIBUTE:
        places = places[:1]
    elif condition.field is Field.RESOURCE_ATTRIBUTE:
        places = places[1:]
    holder = next((place for place in places if condition.key in place), None)
    return holder is not None and compares(holder[condition.key], condition)


def _lower_hex(condition: Condition) -> Condition:
    """Ids compare in lower case, however they were pasted."""
    if condition.field not in (Field.SPAN_ID, Field.TRACE_ID):
        return condition
    if condition.comparison in (Comparison.MATCH, Comparison.NOT_MATCH):
        return condition
    value = condition.value
    return Condition(
        condition.field,
        condition.comparison,
        value.lower() if isinstance(value, str) else value,
        condition.key,
    )


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "other"
