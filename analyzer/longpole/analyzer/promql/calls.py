"""Calls of functions: arguments to values, then to the function that works on whole columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeAlias

import numpy as np

from longpole.analyzer.promql import (
    aggregations,
    functions,
    histogram_functions,
    histogram_windows,
    over_time,
)
from longpole.analyzer.promql.expressions import (
    Call,
    Expression,
    MatchOp,
    MatrixSelector,
    VectorSelector,
    unwrapped,
)
from longpole.analyzer.promql.histogram_values import OF_HISTOGRAM
from longpole.analyzer.promql.histogram_windows import Said
from longpole.analyzer.promql.notes import Notes
from longpole.analyzer.promql.refusals import EvaluationError
from longpole.analyzer.promql.selectors import NAME
from longpole.analyzer.promql.series import Booleans, Floats, Integers, labels_of, without_name
from longpole.analyzer.promql.vectors import SAME_LABELS, Value, Vector, nameless
from longpole.analyzer.promql.windows import Windows


class Asking(Protocol):
    """What gives arguments their values, at the steps asked for."""

    @property
    def notes(self) -> Notes: ...

    def value(self, node: Expression, times: Integers) -> Value: ...

    def vector(self, node: Expression, times: Integers) -> Vector: ...

    def number(self, node: Expression, times: Integers) -> Floats: ...

    def windows(self, node: Expression, times: Integers) -> Windows: ...

    def selected(self, node: VectorSelector, times: Integers) -> Vector: ...

    def taken(self, node: VectorSelector, times: Integers) -> Vector: ...


def called(query: Asking, node: Call, times: Integers) -> Value:
    """The value of a call at each step."""
    name, arguments = node.name, node.arguments
    if name in over_time.OF_RANGE:
        windows = query.windows(arguments[0], times)
        said = Said(query.notes, arguments[0])
        if windows.histograms is None:
            found = over_time.OF_RANGE[name](windows)
        else:
            found = histogram_windows.of_range(name, windows, said)
        histogram_windows.unsure_counters(name, windows, found, said)
        return found if name == "last_over_time" else _of_range(found)
    if name in functions.EACH:
        return functions.each(name, query.vector(arguments[0], times).floats())
    if name in functions.OF_DATE:
        given = query.vector(arguments[0], times) if arguments else _one(times / 1000)
        return functions.date_part(name, given.floats())
    if name in OF_HISTOGRAM:
        return histogram_functions.histogram_value(name, query.vector(arguments[0], times))
    return _CALLS[name](query, arguments, times)


def _of_range(vector: Vector) -> Vector:
    # Names that fall away may leave equal label sets, which is refused even at different steps.
    shown = vector.shown()
    labels = tuple(map(without_name, shown.labels))
    if len(set(labels)) < len(labels):
        raise EvaluationError(SAME_LABELS)
    return replace(shown, labels=labels)


def _one(values: Floats) -> Vector:
    return Vector(((),), values[None, :], np.ones((1, values.size), bool))


_Arguments: TypeAlias = tuple[Expression, ...]


def _absent(query: Asking, arguments: _Arguments, times: Integers) -> Vector:
    return _missing(query.vector(arguments[0], times).present, arguments[0], times)


def _absent_over_time(query: Asking, arguments: _Arguments, times: Integers) -> Vector:
    return _missing(query.windows(arguments[0], times).counts > 0, arguments[0], times)


def _missing(present: Booleans, node: Expression, times: Integers) -> Vector:
    """1 where nothing is; with the labels that a selector asks for by `=`, each once."""
    node = unwrapped(node)
    selector = node.selector if isinstance(node, MatrixSelector) else node
    labels: dict[str, str] = {}
    doubled: set[str] = set()
    for matcher in selector.matchers if isinstance(selector, VectorSelector) else ():
        if matcher.label == NAME:
            continue
        if matcher.op is not MatchOp.EQUAL or matcher.label in labels:
            doubled.add(matcher.label)
        labels[matcher.label] = matcher.value
    kept = labels_of({name: value for name, value in labels.items() if name not in doubled})
    nothing = ~np.atleast_2d(present.any(axis=0))
    return Vector((kept,), np.ones((1, times.size)), nothing)


def _scalar(query: Asking, arguments: _Arguments, times: Integers) -> Floats:
    vector = query.vector(arguments[0], times).floats()
    total = np.where(vector.present, vector.values, 0.0).sum(axis=0)
    return np.where(vector.present.sum(axis=0) == 1, total, np.nan)


def _timestamp(query: Asking, arguments: _Arguments, times: Integers) -> Vector:
    node = unwrapped(arguments[0])
    if isinstance(node, VectorSelector):
        return nameless(query.taken(node, times))
    vector = query.vector(node, times)
    return nameless(vector.with_values(np.broadcast_to(times / 1000, vector.values.shape)))


def _sorted(is_descending: bool) -> Callable[[Asking, _Arguments, Integers], Vector]:
    def run(query: Asking, arguments: _Arguments, times: Integers) -> Vector:
        vector = query.vector(arguments[0], times).floats().shown()
        if times.size > 1:
            return vector
        return aggregations.sorted_rows(vector, is_descending=is_descending)

    return run


def _text(query: Asking, node: Expression, times: Integers) -> str:
    found = query.value(node, times)
    assert isinstance(found, str)
    return found


def _label_replace(query: Asking, arguments: _Arguments, times: Integers) -> Vector:
    to, template, source, regex = (_text(query, node, times) for node in arguments[1:])
    vector = query.vector(arguments[0], times).shown()
    return functions.label_replaced(vector, to, template, source, regex)


def _label_join(query: Asking, arguments: _Arguments, times: Integers) -> Vector:
    to, separator, *sources = (_text(query, node, times) for node in arguments[1:])
    return functions.label_joined(query.vector(arguments[0], times).shown(), to, separator, sources)


def _clamp(query: Asking, arguments: _Arguments, times: Integers) -> Vector:
    low, high = (query.number(node, times) for node in arguments[1:])
    return functions.clamped(query.vector(arguments[0], times).floats(), low, high)


def _clamp_one(bound: float, is_low: bool) -> Callable[[Asking, _Arguments, Integers], Vector]:
    def run(query: Asking, arguments: _Arguments, times: Integers) -> Vector:
        given, other = query.number(arguments[1], times), np.full(times.size, bound)
        low, high = (given, other) if is_low else (other, given)
        return functions.clamped(query.vector(arguments[0], times).floats(), low, high)

    return run


def _round(query: Asking, arguments: _Arguments, times: Integers) -> Vector:
    nearest = query.number(arguments[1], times) if len(arguments) > 1 else np.ones(times.size)
    return functions.rounded(query.vector(arguments[0], times).floats(), nearest)


def _quantile_over_time(query: Asking, arguments: _Arguments, times: Integers) -> Vector:
    q = query.number(arguments[0], times)
    windows = query.windows(arguments[1], times)
    found = over_time.quantile(windows.floats(), q)
    if found.present.any():
        query.notes.bad_quantiles(q[found.present.any(axis=0)], arguments[0])
    if windows.histograms is not None:
        histogram_windows.of_floats(windows, found, Said(query.notes, arguments[0]))
    return _of_range(found)


def _predict_linear(query: Asking, arguments: _Arguments, times: Integers) -> Vector:
    seconds = query.number(arguments[1], times)
    windows = query.windows(arguments[0], times)
    found = over_time.predicted(windows.floats(), seconds)
    if windows.histograms is not None:
        histogram_windows.of_floats(windows, found, Said(query.notes, arguments[0]))
    return _of_range(found)


def _histogram_quantile(query: Asking, arguments: _Arguments, times: Integers) -> Vector:
    q = query.number(arguments[0], times)
    vector = query.vector(arguments[1], times).shown()
    query.notes.bad_quantiles(q, arguments[0])
    return histogram_functions.histogram_quantile(vector, q, query.notes, arguments[1])


def _histogram_fraction(query: Asking, arguments: _Arguments, times: Integers) -> Vector:
    low, high = (query.number(node, times) for node in arguments[:2])
    vector = query.vector(arguments[2], times).shown()
    return histogram_functions.histogram_fraction(vector, low, high, query.notes, arguments[2])


_CALLS: dict[str, Callable[[Asking, _Arguments, Integers], Value]] = {
    "absent": _absent,
    "absent_over_time": _absent_over_time,
    "clamp": _clamp,
    "clamp_max": _clamp_one(-np.inf, is_low=False),
    "clamp_min": _clamp_one(np.inf, is_low=True),
    "histogram_fraction": _histogram_fraction,
    "histogram_quantile": _histogram_quantile,
    "label_join": _label_join,
    "label_replace": _label_replace,
    "pi": lambda query, arguments, times: np.full(times.size, np.pi),
    "predict_linear": _predict_linear,
    "quantile_over_time": _quantile_over_time,
    "round": _round,
    "scalar": _scalar,
    "sort": _sorted(is_descending=False),
    "sort_desc": _sorted(is_descending=True),
    "time": lambda query, arguments, times: times / 1000,
    "timestamp": _timestamp,
    "vector": lambda query, arguments, times: _one(query.number(arguments[0], times)),
}
