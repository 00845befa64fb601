"""Series that a query measures: candidates from storage, then chunk by chunk what matches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from longpole.analyzer.traceql.attribute_shares import AttributeShares
from longpole.analyzer.traceql.candidates import alternatives
from longpole.analyzer.traceql.expressions import (
    Attribute,
    Compare,
    FieldExpression,
    Measured,
    Metrics,
    MetricsOperation,
    Pipeline,
    Query,
    Static,
)
from longpole.analyzer.traceql.field_values import needs_tables
from longpole.analyzer.traceql.loading import Pace, check_time, expressions_of, load
from longpole.analyzer.traceql.over_time import OverTimeSeries
from longpole.analyzer.traceql.refusals import InvalidQuery, TooMuch
from longpole.analyzer.traceql.series import Series, after, joined, with_number
from longpole.analyzer.traceql.spansets import all_spans, run
from longpole.analyzer.traceql.steps import Steps
from longpole.model.query import TraceQuery
from longpole.storage.ports import TraceReader

_FIRST_CHUNK, _CHUNK = 100, 20_000
# Every chunk looks for its ids among all that are stored, so that few large ones are less than half
# the work of many. Without attributes a span is some 250 bytes here.
_PLAIN_CHUNK, _PLAIN_SPANS = 200_000, 500_000
# Makes `compare` load attributes, of which it looks at all.
_ANY_ATTRIBUTE = Attribute("span", "")


@dataclass(frozen=True, slots=True)
class MeasureSettings:
    """`traces` bounds those that can match at all, `seconds` the time that a query may take,
    `exemplars` those of each series."""

    traces: int = 1_000_000
    seconds: float = 30.0
    exemplars: int = 100


def measure(
    store: TraceReader,
    query: Query,
    steps: Steps,
    elapsed: Callable[[], float],
    settings: MeasureSettings = MeasureSettings(),
) -> list[Series]:
    """The series of a query that measures. A span counts at the step that holds its start. Raises
    `TraceQLError`."""
    if isinstance(query.root, Pipeline):
        raise InvalidQuery("this query finds traces: end it with rate() or another function")
    return _series(store, query.root, steps, elapsed, settings)


def _series(
    store: TraceReader,
    metrics: Metrics,
    steps: Steps,
    elapsed: Callable[[], float],
    settings: MeasureSettings,
) -> list[Series]:
    match metrics:
        case Measured():
            found = _measured(store, metrics, steps, elapsed, settings)
            for stage in metrics.then:
                found = after(found, stage)
            return found
        case MetricsOperation(operator, Static() as number, Static()):
            raise InvalidQuery(f"{number.value} {operator} … has no series in it")
        case MetricsOperation(operator, left, Static(value=value)):
            series = _series(store, left, steps, elapsed, settings)
            return with_number(operator, series, _number(value), is_left=False)
        case MetricsOperation(operator, Static(value=value), right):
            series = _series(store, right, steps, elapsed, settings)
            return with_number(operator, series, _number(value), is_left=True)
        case MetricsOperation(operator, left, right):
            sides = (_series(store, one, steps, elapsed, settings) for one in (left, right))
            return joined(operator, *sides)
    raise AssertionError(metrics)


def _measured(
    store: TraceReader,
    measured: Measured,
    steps: Steps,
    elapsed: Callable[[], float],
    settings: MeasureSettings,
) -> list[Series]:
    stages, function = measured.pipeline.stages, measured.function
    needed: list[FieldExpression] = expressions_of(stages)
    gathered: AttributeShares | OverTimeSeries
    if isinstance(function, Compare):
        needed += (function.selection.condition, _ANY_ATTRIBUTE)
        gathered = AttributeShares(function, steps, settings.exemplars)
    else:
        needed += function.by if function.field is None else (*function.by, function.field)
        gathered = OverTimeSeries(function, steps, settings.exemplars)
    ids = _candidates(store, measured.pipeline, steps, settings.traces)
    is_plain = not any(needs_tables(expression) for expression in needed)
    pace = Pace(_FIRST_CHUNK, _CHUNK)
    if is_plain:
        pace = Pace(_FIRST_CHUNK, _PLAIN_CHUNK, _PLAIN_SPANS)
    done = 0
    while done < len(ids):
        check_time(elapsed, settings.seconds)
        chunk = ids[done : done + pace.traces]
        values = load(store, chunk, needed)
        done += len(chunk)
        pace.note(len(chunk), len(values.frame))
        gathered.add(run(stages, all_spans(values), values).rows, values)
    return gathered.series()


def _candidates(store: TraceReader, pipeline: Pipeline, steps: Steps, most: int) -> Sequence[int]:
    ids: dict[int, None] = {}
    for conditions in alternatives(pipeline.stages):
        sample = store.sample_traces(TraceQuery(conditions, steps.time, None), most)
        if sample.matched > most:
            raise TooMuch(
                f"{sample.matched:,} traces can match, more than {most:,}: ask for less time, or "
                "add conditions on span attributes, service, name, status or duration"
            )
        ids.update(dict.fromkeys(sample.trace_ids))
    return list(ids)


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)
