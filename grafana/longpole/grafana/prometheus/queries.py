"""`query`, `query_range`, `query_exemplars` and `format_query`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import orjson

from longpole.analyzer.promql.checking import children, value_type
from longpole.analyzer.promql.evaluation import Settings, Steps, evaluate, range_samples
from longpole.analyzer.promql.expressions import (
    Expression,
    MatrixSelector,
    Subquery,
    ValueType,
    VectorSelector,
    unwrapped,
)
from longpole.analyzer.promql.formatting import prettified
from longpole.analyzer.promql.notes import Notes
from longpole.analyzer.promql.query import parse
from longpole.analyzer.promql.refusals import QueryError
from longpole.analyzer.promql.series import Labels
from longpole.analyzer.promql.vectors import Vector
from longpole.grafana.prometheus import answer, histograms_json, samples_json
from longpole.grafana.prometheus.answer import TRUNCATED, Answer
from longpole.grafana.prometheus.asked import Asked, seconds
from longpole.grafana.prometheus.asking import Asking
from longpole.grafana.prometheus.expression_json import tree
from longpole.grafana.prometheus.refusals import BadData, bad_parameter

MOST_POINTS = 11_000


def query(asking: Asking, asked: Asked) -> Answer:
    """The value of an expression at one time."""
    limit = asked.limit()
    at_ms = asked.time_ms_or("time", asking.now_ms())
    settings = _settings(asking, asked)
    expression = _expression(asked)
    steps, notes = Steps(at_ms, at_ms), Notes()
    inner = unwrapped(expression)
    if isinstance(inner, MatrixSelector | Subquery):
        series = range_samples(inner, asking, at_ms, settings, asking.elapsed_seconds(), notes)
        kept = series[:limit] if limit else series
        said: tuple[str, ...] = (TRUNCATED,) if len(kept) < len(series) else ()
        entries = histograms_json.series_entries(kept)
        return _noted(answer.result("matrix", entries), notes, asked, said)
    found = evaluate(expression, asking, steps, settings, asking.elapsed_seconds(), notes)
    if isinstance(found, Vector):
        vector, said = _truncated(found, limit)
        entries = histograms_json.vector_entries(vector, at_ms)
        return _noted(answer.result("vector", entries), notes, asked, said)
    if isinstance(found, str):
        stamp = samples_json.stamps(np.array([at_ms], np.int64))[0]
        pair, kind = b"[%b,%b]" % (stamp, orjson.dumps(found)), "string"
    else:
        pair, kind = samples_json.scalar(float(found[0]), at_ms), "scalar"
    return _noted((b'{"resultType":"%b","result":%b}' % (kind.encode(), pair),), notes, asked)


def query_range(asking: Asking, asked: Asked) -> Answer:
    """The value of an expression at every step of a time."""
    limit = asked.limit()
    start_ms, end_ms = asked.time_ms("start"), asked.time_ms("end")
    if end_ms < start_ms:
        raise bad_parameter("end", "end timestamp must not be before start time")
    step = asked.seconds("step")
    if step <= 0:
        raise bad_parameter(
            "step",
            "zero or negative query resolution step widths are not accepted. Try a positive"
            " integer",
        )
    step_ms = int(round(step * 1e6) // 1000)
    if step_ms < 1:
        raise bad_parameter("step", "a query resolution step is at least one millisecond")
    if (end_ms - start_ms) // step_ms > MOST_POINTS:
        raise BadData(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the"
            " query resolution (?step=XX)"
        )
    settings = _settings(asking, asked)
    expression = _expression(asked)
    kind = value_type(expression)
    if kind not in (ValueType.SCALAR, ValueType.VECTOR):
        raise bad_parameter(
            "query",
            f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector',
        )
    steps = Steps(start_ms, end_ms, step_ms)
    notes = Notes()
    found = evaluate(expression, asking, steps, settings, asking.elapsed_seconds(), notes)
    if not isinstance(found, Vector):
        assert isinstance(found, np.ndarray)
        entries = samples_json.scalar_entries(found, steps.times_ms)
        return _noted(answer.result("matrix", entries), notes, asked)
    order = sorted(range(len(found.labels)), key=found.labels.__getitem__)
    if order != list(range(len(order))):
        found = found.take(order)
    vector, said = _truncated(found, limit)
    entries = histograms_json.matrix_entries(vector, steps.times_ms)
    return _noted(answer.result("matrix", entries), notes, asked, said)


def _noted(data: Iterable[bytes], notes: Notes, asked: Asked, said: tuple[str, ...] = ()) -> Answer:
    """With what the query says about its own answer."""
    query = asked.text("query")
    return Answer(data, (*notes.warnings(query), *said), notes.infos(query))


def format_query(asking: Asking, asked: Asked) -> Answer:
    """An expression as Prometheus would lay it out."""
    return answer.of(prettified(_expression(asked)))


def parse_query(asking: Asking, asked: Asked) -> Answer:
    """An expression as a tree."""
    return answer.of(tree(_expression(asked)))


def query_exemplars(asking: Asking, asked: Asked) -> Answer:
    """Measurements behind the series of every selector in an expression."""
    after_ms, through_ms = asked.range_ms()
    if through_ms <= after_ms:
        raise BadData("end timestamp must not be before start timestamp")
    after_ms, through_ms = asking.stored(after_ms, through_ms)
    found: dict[Labels, dict[str, object]] = {}
    if not asked.text("query"):
        _expression(asked)
    for selector in _selectors(parse(asked.text("query"))):
        for one in asking.catalog.exemplars(selector.matchers, after_ms, through_ms):
            found[one.labels] = {
                "seriesLabels": dict(one.labels),
                "exemplars": [
                    {
                        "labels": dict(exemplar.labels),
                        "value": samples_json.texts(np.array([exemplar.value]))[0].decode(),
                        "timestamp": exemplar.time_ms / 1000,
                    }
                    for exemplar in one.exemplars
                ],
            }
    return answer.of([found[labels] for labels in sorted(found)])


def is_free(asked: Asked) -> bool:
    """Whether an answer takes no time worth waiting for: nothing is read, and steps are those of
    the question. A query with a mistake is answered at once, too."""
    try:
        nodes = list(_nodes(parse(asked.text("query"))))
    except QueryError:
        return True
    return not any(isinstance(one, VectorSelector | MatrixSelector | Subquery) for one in nodes)


def _expression(asked: Asked) -> Expression:
    text = asked.text("query")
    try:
        return parse(text)
    except QueryError as error:
        raise bad_parameter(
            "query", error if text else f"{error}: it is missing or empty"
        ) from None


def _settings(asking: Asking, asked: Asked) -> Settings:
    settings = asking.settings
    if asked.text("timeout"):
        limits = settings.limits
        allowed = min(limits.seconds, asked.seconds("timeout"))
        settings = replace(settings, limits=replace(limits, seconds=allowed))
    if lookback := asked.text("lookback_delta"):
        try:
            settings = replace(settings, lookback_ms=max(1, int(seconds(lookback) * 1000)))
        except ValueError as error:
            raise BadData(f"error parsing lookback delta duration: {error}") from None
    return settings


def _truncated(vector: Vector, limit: int) -> tuple[Vector, tuple[str, ...]]:
    if not limit or len(vector.labels) <= limit:
        return vector, ()
    return vector.take(range(limit)), (TRUNCATED,)


def _selectors(expression: Expression) -> Iterator[VectorSelector]:
    for node in _nodes(expression):
        if isinstance(node, VectorSelector):
            yield node
        elif isinstance(node, MatrixSelector):
            yield node.selector


def _nodes(expression: Expression) -> Iterator[Expression]:
    waiting = [expression]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(children(node)))
