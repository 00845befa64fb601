"""Reads candidate traces as a frame: with attributes where the query looks at any, else without,
which is several times faster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from longpole.analyzer.traceql.expressions import (
    Aggregate,
    Field,
    FieldExpression,
    GroupBy,
    Pipeline,
    Scalar,
    ScalarFilter,
    ScalarOperation,
    ScalarPipeline,
    Select,
    SpansetFilter,
    SpansetOperation,
    Stage,
)
from longpole.analyzer.traceql.field_values import FieldValues, needs_tables
from longpole.analyzer.traceql.fields import fields_of
from longpole.analyzer.traceql.frame import frame_of
from longpole.analyzer.traceql.refusals import TooMuch
from longpole.storage.ports import TraceReader


def expressions_of(stages: Sequence[Stage]) -> list[FieldExpression]:
    """Every expression that some stage evaluates."""
    found: list[FieldExpression] = []
    waiting: list[Stage | Scalar] = list(reversed(stages))
    while waiting:
        match waiting.pop():
            case SpansetFilter(condition):
                found.append(condition)
            case SpansetOperation(_, left, right):
                waiting += (right, left)
            case Pipeline(inner):
                waiting += reversed(inner)
            case GroupBy(expression):
                found.append(expression)
            case Select(fields):
                found += fields
            case ScalarFilter(_, left, right) | ScalarOperation(_, left, right):
                waiting += (right, left)
            case Aggregate(_, operand) if operand is not None:
                found.append(operand)
            case ScalarPipeline(inner, aggregate):
                waiting += (aggregate, *reversed(inner))
    return found


def fields_shown(stages: Sequence[Stage]) -> tuple[Field, ...]:
    """Every field that the stages look at or select, in the order of the text."""
    found = (field for expression in expressions_of(stages) for field in fields_of(expression))
    return tuple(dict.fromkeys(found))


def load(
    store: TraceReader, trace_ids: Sequence[int], expressions: Iterable[FieldExpression]
) -> FieldValues:
    """The values of these traces, as far as the expressions need them."""
    if any(needs_tables(expression) for expression in expressions):
        tables = store.trace_tables(trace_ids)
        return FieldValues(frame_of(tables["spans"], tables))
    return FieldValues(frame_of(store.whole_traces(trace_ids, ()).spans))


class Pace:
    """How many traces to read at once, so that a chunk has about as many spans as it should:
    traces have one span or a hundred thousand."""

    def __init__(self, first: int, most: int, spans: int = 100_000) -> None:
        self._traces, self._most, self._spans = first, most, spans

    @property
    def traces(self) -> int:
        """For the next chunk."""
        return self._traces

    def note(self, traces: int, spans: int) -> None:
        """What the last chunk had."""
        wanted = self._spans * traces // max(1, spans)
        # Grows step by step: what comes next may be bigger.
        self._traces = max(1, min(wanted, self._most, self._traces * 4))


def check_time(elapsed: Callable[[], float], most_seconds: float) -> None:
    """Raises `TooMuch` once a query has taken too long. `elapsed` gives seconds since it began."""
    if elapsed() > most_seconds:
        raise TooMuch(
            f"the query took more than {most_seconds:g} s: ask for less time, or add conditions "
            "on span attributes, service, name, status or duration"
        )
