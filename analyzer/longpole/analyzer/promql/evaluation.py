"""The value of an expression at every step of a query.

Each selector reads its series once, for all steps; then whole columns are worked on. What a query
may read and make is bounded, and it stops when its time is over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from longpole.analyzer.promql import aggregations, histogram_groups, operators
from longpole.analyzer.promql.budget import Budget
from longpole.analyzer.promql.calls import called
from longpole.analyzer.promql.expressions import (
    SETS,
    Aggregation,
    Binary,
    Call,
    Expression,
    MatrixSelector,
    Number,
    Paren,
    Shift,
    Subquery,
    Text,
    Unary,
    VectorSelector,
    unwrapped,
)
from longpole.analyzer.promql.histogram_operators import Operation
from longpole.analyzer.promql.histograms import Histograms
from longpole.analyzer.promql.known_values import KnownValues
from longpole.analyzer.promql.notes import Notes
from longpole.analyzer.promql.refusals import EvaluationError, TooMuch
from longpole.analyzer.promql.series import (
    Floats,
    Integers,
    Series,
    SeriesSource,
    is_stale,
)
from longpole.analyzer.promql.vectors import Value, Vector, nameless, negated
from longpole.analyzer.promql.windows import Latest, Windows, windows_of


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may cost. `cells` are values at steps, held at once by one node; `work` is
    what all nodes make and look at together."""

    samples: int = 50_000_000
    cells: int = 50_000_000
    work: int = 2_000_000_000
    steps: int = 11_000
    seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Steps:
    """Every `step_ms` from `start_ms` through `end_ms`; one step for an instant query."""

    start_ms: int
    end_ms: int
    step_ms: int = 1

    @property
    def times_ms(self) -> Integers:
        """The steps themselves."""
        return np.arange(self.start_ms, self.end_ms + 1, self.step_ms, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Settings:
    """How long a sample is valid, and how often a subquery asks that does not say."""

    lookback_ms: int = 300_000
    subquery_step_ms: int = 60_000
    limits: Limits = Limits()


def evaluate(
    expression: Expression,
    source: SeriesSource,
    steps: Steps,
    settings: Settings,
    elapsed_seconds: Callable[[], float],
    notes: Notes | None = None,
    known: KnownValues | None = None,
) -> Value:
    """The value at each step: a vector, one number a step, or a text. `elapsed_seconds` tells
    how long the query runs; `notes` takes what is to be said beside the value. `known` has the
    values of parts of instant queries, of which nothing is said and no work is counted again.
    Raises `EvaluationError`, `TooMuch` among them."""
    count = (steps.end_ms - steps.start_ms) // steps.step_ms + 1
    if count > settings.limits.steps:
        raise TooMuch(
            f"exceeded maximum resolution of {settings.limits.steps:,} points per timeseries."
            " Try decreasing the query resolution (?step=XX)"
        )
    query = Query.of(
        source, settings, elapsed_seconds, (steps.start_ms, steps.end_ms), notes, known
    )
    found = query.value(expression, steps.times_ms)
    return found.shown() if isinstance(found, Vector) else found


def range_samples(
    expression: MatrixSelector | Subquery,
    source: SeriesSource,
    at_ms: int,
    settings: Settings,
    elapsed_seconds: Callable[[], float],
    notes: Notes | None = None,
) -> list[Series]:
    """The samples of a range vector at one time, as an instant query answers them."""
    query = Query.of(source, settings, elapsed_seconds, (at_ms, at_ms), notes)
    windows = query.windows(expression, np.array([at_ms], np.int64))
    found = []
    for row, labels in enumerate(windows.labels):
        held = slice(int(windows.lo[row, 0]), int(windows.hi[row, 0]))
        if held.stop > held.start:
            histograms = None if windows.histograms is None else windows.histograms[held]
            found.append(Series(labels, windows.times_ms[held], windows.values[held], histograms))
    return found


@dataclass(frozen=True, slots=True)
class Query:
    """One query while it is evaluated; `bounds_ms` are its first and last step."""

    source: SeriesSource
    settings: Settings
    budget: Budget
    bounds_ms: tuple[int, int]
    notes: Notes
    known: KnownValues | None

    @staticmethod
    def of(
        source: SeriesSource,
        settings: Settings,
        elapsed_seconds: Callable[[], float],
        bounds_ms: tuple[int, int],
        notes: Notes | None = None,
        known: KnownValues | None = None,
    ) -> Query:
        """A query that begins now."""
        budget = Budget(settings.limits.work, settings.limits.seconds, elapsed_seconds)
        notes = Notes() if notes is None else notes
        return Query(source, settings, budget, bounds_ms, notes, known)

    def value(self, node: Expression, times: Integers) -> Value:
        """The value of one node at the steps `times`."""
        self.budget.check_time()
        # Inside of a subquery the same may mean something else, by `@ start()`.
        at_ms = int(times[0]) if times.size == 1 else None
        if (
            self.known is not None
            and isinstance(node, Aggregation | Call)
            and (at_ms, at_ms) == self.bounds_ms
        ):
            known = self.known.find(node, self.bounds_ms[0])
            if known is not None:
                return known
            found = self._value(node, times)
            self.known.keep(node, self.bounds_ms[0], found)
        else:
            found = self._value(node, times)
        # What the node above makes of it is about as much.
        size = found.values.size if isinstance(found, Vector) else times.size
        self.budget.spend(size)
        return found

    def _value(self, node: Expression, times: Integers) -> Value:
        match node:
            case Number():
                return np.full(times.size, node.value)
            case Text():
                return node.value
            case Paren():
                return self.value(node.inner, times)
            case VectorSelector():
                return self.selected(node, times)
            case Unary():
                return self._unary(node, times)
            case Binary():
                return self._binary(node, times)
            case Aggregation():
                return self._aggregation(node, times)
            case Call():
                return called(self, node, times)
        raise EvaluationError("a range vector has no value of its own; use it in a function")

    def vector(self, node: Expression, times: Integers) -> Vector:
        found = self.value(node, times)
        assert isinstance(found, Vector)
        return found

    def number(self, node: Expression, times: Integers) -> Floats:
        found = self.value(node, times)
        assert isinstance(found, np.ndarray)
        return found

    def _ends(self, shift: Shift, times: Integers) -> Integers:
        """The times that a selector looks at instead of the steps; one when they are all equal."""
        if not shift.is_fixed:
            return times - shift.offset_ms
        fixed_ms = shift.fixed_ms
        if fixed_ms is None:
            fixed_ms = self.bounds_ms[0 if shift.anchor == "start" else 1]
        return np.array([fixed_ms - shift.offset_ms], np.int64)

    def _series(self, node: VectorSelector, after_ms: int, through_ms: int) -> list[Series]:
        return list(
            self.source.select(node.matchers, after_ms, through_ms, self.settings.limits.samples)
        )

    def bounded(self, rows: int, columns: int) -> None:
        """Raises `TooMuch` for more values than may be held at once."""
        if rows * columns > self.settings.limits.cells:
            raise TooMuch(
                f"query processing would hold {rows * columns:,} values at once"
                f" ({rows:,} series at {columns:,} steps); {self.settings.limits.cells:,} are"
                " allowed. Ask for fewer series or a larger step"
            )

    def selected(self, node: VectorSelector, times: Integers) -> Vector:
        """The latest sample of each series at each step."""
        return self._latest(node, times)

    def taken(self, node: VectorSelector, times: Integers) -> Vector:
        """When the latest sample of each series at each step was taken, in seconds."""
        return self._latest(node, times, is_taken=True)

    def _latest(self, node: VectorSelector, times: Integers, is_taken: bool = False) -> Vector:
        ends = self._ends(node.shift, times)
        lookback = self.settings.lookback_ms
        series = self._series(node, int(ends[0]) - lookback, int(ends[-1]))
        self.bounded(len(series), times.size)
        values = np.zeros((len(series), ends.size))
        taken = np.zeros(values.shape if is_taken else 0)
        present = np.zeros(values.shape, bool)
        held: Histograms | None = None
        if not is_taken and any(one.histograms is not None for one in series):
            held = np.full(values.shape, None, object)
        found: Latest | None = None
        for row, one in enumerate(series):
            # Most often all series of a metric have their samples at the same times.
            if found is None or not found.holds(one.times_ms):
                found = Latest.of(one.times_ms, ends, lookback)
            values[row] = one.values[found.places]
            if is_taken:
                taken[row] = one.times_ms[found.places] / 1000
            if held is not None and one.histograms is not None:
                held[row] = one.histograms[found.places]
            present[row] = found.is_fresh
        present &= ~is_stale(values)
        values = taken if is_taken else values
        if ends.size != times.size:
            values, present = (np.repeat(part, times.size, axis=1) for part in (values, present))
            held = None if held is None else np.repeat(held, times.size, axis=1)
        return Vector(tuple(one.labels for one in series), values, present, held)

    def windows(self, node: Expression, times: Integers) -> Windows:
        """The windows of a range vector at each step."""
        node = unwrapped(node)
        if isinstance(node, MatrixSelector):
            ends = self._ends(node.selector.shift, times)
            series = self._series(node.selector, int(ends[0]) - node.range_ms, int(ends[-1]))
        else:
            assert isinstance(node, Subquery)
            ends = self._ends(node.shift, times)
            series = self._asked_again(node, ends)
        self.bounded(len(series), times.size)
        windows = replace(windows_of(series, ends, times, node.range_ms), budget=self.budget)
        if ends.size == times.size:
            return windows
        shape = (len(series), times.size)
        return replace(
            windows,
            lo=np.broadcast_to(windows.lo, shape),
            hi=np.broadcast_to(windows.hi, shape),
            ends_ms=np.broadcast_to(ends, times.shape),
        )

    def _asked_again(self, node: Subquery, ends: Integers) -> list[Series]:
        step = node.step_ms or self.settings.subquery_step_ms
        after = int(ends[0]) - node.range_ms
        # Steps of a subquery are multiples of its step, whatever the query asks for.
        first = (after // step + 1) * step
        last = int(ends[-1])
        if last < first:
            return []
        self.bounded(1, (last - first) // step + 1)
        inner_times = np.arange(first, last + 1, step, dtype=np.int64)
        found = self.value(node.inner, inner_times)
        assert isinstance(found, Vector)
        return [
            Series(
                labels,
                inner_times[here],
                found.values[row][here],
                None if found.histograms is None else found.histograms[row][here],
            )
            for row, labels in enumerate(found.labels)
            if (here := found.present[row]).any()
        ]

    def _unary(self, node: Unary, times: Integers) -> Value:
        found = self.value(node.inner, times)
        if node.op == "+":
            return found
        if isinstance(found, Vector):
            return nameless(
                replace(
                    found,
                    values=-found.values,
                    histograms=negated(found, self.budget.make_histogram),
                )
            )
        assert isinstance(found, np.ndarray)
        return -found

    def _binary(self, node: Binary, times: Integers) -> Value:
        left, right = self.value(node.left, times), self.value(node.right, times)
        operation = Operation(node.op, node.is_bool, self.notes, node, self.budget)
        if isinstance(left, Vector) and isinstance(right, Vector):
            left, right = left.shown(), right.shown()
            if node.op in SETS:
                return operators.set_operation(node.op, left, right, node.matching)
            return operators.between_vectors(operation, left, right, node.matching)
        if isinstance(left, Vector):
            assert isinstance(right, np.ndarray)
            return operators.with_number(operation, left, right, is_left=False)
        assert isinstance(left, np.ndarray)
        if isinstance(right, Vector):
            return operators.with_number(operation, right, left, is_left=True)
        assert isinstance(right, np.ndarray)
        return operators.between_numbers(node.op, left, right)

    def _aggregation(self, node: Aggregation, times: Integers) -> Vector:
        key = aggregations.grouping(node.is_without, node.labels)
        parameter = None
        if node.parameter is not None and node.op != "count_values":
            parameter = self.number(node.parameter, times)
        inner = self.vector(node.inner, times).shown()
        if node.op == "count_values":
            label = self.value(node.parameter, times) if node.parameter else ""
            assert isinstance(label, str)
            if inner.histograms is None:
                return aggregations.counted_values(inner, key, label, self.bounded)
            return histogram_groups.counted_values(inner, key, label, self.bounded)
        if node.op == "quantile" and parameter is not None and inner.labels:
            self.notes.bad_quantiles(parameter, node.parameter)
        if inner.histograms is None:
            found = aggregations.aggregated(node.op, inner, key, parameter)
        else:
            found = histogram_groups.aggregated(
                node, inner, key, parameter, self.notes, self.budget
            )
        if node.op in ("topk", "bottomk") and times.size == 1:
            return aggregations.sorted_groups(
                found, map(key, inner.labels), key, is_descending=node.op == "topk"
            )
        return found
