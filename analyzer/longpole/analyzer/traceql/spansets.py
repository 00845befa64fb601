"""The stages of a pipeline over the spansets of a frame.

    { status = error } | by(resource.service.name) | count() > 2 | select(name)
    one set a trace      one set a trace and service   fewer sets    what is shown

A set is a number for rows of the frame; a row is in one set at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from longpole.analyzer.traceql.columns import Column, Floats, Kind, Mask, Rows, Value
from longpole.analyzer.traceql.expressions import (
    Aggregate,
    Coalesce,
    GroupBy,
    Pipeline,
    Scalar,
    ScalarFilter,
    ScalarOperation,
    ScalarPipeline,
    Select,
    Spanset,
    SpansetFilter,
    SpansetOperation,
    Stage,
    Static,
)
from longpole.analyzer.traceql.field_values import FieldValues
from longpole.analyzer.traceql.fields import aggregate_text, expression_text
from longpole.analyzer.traceql.refusals import TooMuch

MOST_SETS = 200_000
# What a set is known by beside its trace: a label, and its kind and value.
Note = tuple[str, Kind, Value]


@dataclass(frozen=True, slots=True, eq=False)
class Spansets:
    """`rows` of the frame, ascending, and the number of the set of each; `traces` is the trace of
    each set, `notes` what it was grouped by and what was counted of it. Sets without rows may be
    among them."""

    rows: Rows
    owners: Rows
    traces: Rows
    notes: tuple[tuple[Note, ...], ...]

    def kept(self, mask: Mask) -> Spansets:
        """Only the rows of a mask over `rows`."""
        return replace(self, rows=self.rows[mask], owners=self.owners[mask])

    @property
    def sizes(self) -> Rows:
        """How many rows each set has."""
        return np.bincount(self.owners, minlength=len(self.traces)).astype(np.int64)


def all_spans(values: FieldValues) -> Spansets:
    """One set for each trace with every span of it."""
    frame = values.frame
    traces = np.arange(len(frame.trace_ids))
    return Spansets(np.arange(len(frame)), frame.trace_of, traces, ((),) * len(traces))


def run(stages: Sequence[Stage], sets: Spansets, values: FieldValues) -> Spansets:
    """What the stages leave, one after the other."""
    for stage in stages:
        match stage:
            case SpansetFilter() | SpansetOperation() | Pipeline():
                sets = sets.kept(_chosen(stage, sets, values))
            case ScalarFilter():
                sets = _filtered(stage, sets, values)
            case GroupBy(expression):
                label = f"by({expression_text(expression)})"
                sets = _grouped(sets, values.column(expression).take(sets.rows), label)
            case Coalesce():
                sets = _coalesced(sets, values)
            case Select():
                pass  # what is shown changes nothing in what is found
    return sets


def _chosen(stage: Spanset, sets: Spansets, values: FieldValues) -> Mask:
    """The rows of the sets that an expression picks."""
    match stage:
        case SpansetFilter(condition):
            return values.mask(condition)[sets.rows]
        case Pipeline(stages):
            return np.isin(sets.rows, run(stages, sets, values).rows)
        case SpansetOperation(operator, left, right):
            mine, others = _chosen(left, sets, values), _chosen(right, sets, values)
            if operator == "||":
                return mine | others
            if operator == "&&":
                both = _any(mine, sets) & _any(others, sets)
                return (mine | others) & both[sets.owners]
            return _related(operator, mine, others, sets, values)


def _related(operator: str, mine: Mask, others: Mask, sets: Spansets, values: FieldValues) -> Mask:
    """Spans on the right that stand so to one on the left; with `&` those on the left too, with `!`
    those on the right that do not."""
    structure = values.intrinsics.structure
    whole = len(values.frame)

    def spread(mask: Mask) -> Mask:
        found = np.zeros(whole, np.bool_)
        found[sets.rows[mask]] = True
        return found

    forwards = {
        ">": structure.children_of,
        ">>": structure.under,
        "<": structure.parents_of,
        "<<": structure.over,
        "~": structure.beside,
    }
    backwards = {
        ">": structure.parents_of,
        ">>": structure.over,
        "<": structure.children_of,
        "<<": structure.under,
        "~": structure.beside,
    }
    relation = operator.lstrip("!&")
    related = forwards[relation](spread(mine))[sets.rows]
    if operator.startswith("!"):
        return others & ~related
    found = others & related
    if operator.startswith("&"):
        found = found | (mine & backwards[relation](spread(others))[sets.rows])
    return found


def _any(mask: Mask, sets: Spansets) -> Mask:
    found = np.zeros(len(sets.traces), np.bool_)
    found[sets.owners[mask]] = True
    return found


def _grouped(sets: Spansets, column: Column, label: str) -> Spansets:
    groups, names = column.groups()
    if not len(sets.rows):
        return sets
    pairs = sets.owners * np.int64(len(names)) + groups
    distinct, owners = np.unique(pairs, return_inverse=True)
    if len(distinct) > MOST_SETS:
        raise TooMuch(f"{label} makes more than {MOST_SETS:,} groups: group by less, or less time")
    before, group = np.divmod(distinct, len(names))
    notes = tuple(
        (*sets.notes[old], (label, *names[new]))
        for old, new in zip(before.tolist(), group.tolist(), strict=True)
    )
    return Spansets(sets.rows, owners.reshape(-1), sets.traces[before], notes)


def _coalesced(sets: Spansets, values: FieldValues) -> Spansets:
    traces = np.arange(len(values.frame.trace_ids))
    return Spansets(sets.rows, sets.traces[sets.owners], traces, ((),) * len(traces))


def _filtered(stage: ScalarFilter, sets: Spansets, values: FieldValues) -> Spansets:
    left, right = _scalar(stage.left, sets, values), _scalar(stage.right, sets, values)
    with np.errstate(invalid="ignore"):
        match stage.operator:
            case "=":
                is_kept = left == right
            case "!=":
                is_kept = left != right
            case "<":
                is_kept = left < right
            case "<=":
                is_kept = left <= right
            case ">":
                is_kept = left > right
            case _:
                is_kept = left >= right
    # An empty set has no average, and comparing nothing is never true.
    is_kept = np.asarray(is_kept & ~np.isnan(left) & ~np.isnan(right) & (sets.sizes > 0))
    notes = list(sets.notes)
    for scalar, numbers in ((stage.left, left), (stage.right, right)):
        if isinstance(scalar, Aggregate):
            for number in np.flatnonzero(is_kept).tolist():
                notes[number] = (*notes[number], _note(scalar, float(numbers[number])))
    return replace(sets.kept(is_kept[sets.owners]), notes=tuple(notes))


def _note(aggregate: Aggregate, number: float) -> Note:
    is_count = aggregate.name == "count"
    label = aggregate_text(aggregate)
    return (label, Kind.INT, int(number)) if is_count else (label, Kind.FLOAT, number)


def _scalar(scalar: Scalar, sets: Spansets, values: FieldValues) -> Floats:
    """A number for each set, NaN where there is none."""
    match scalar:
        case Static(value=value):
            number = float(value) if isinstance(value, int | float) else np.nan
            return np.full(len(sets.traces), number)
        case Aggregate():
            return _aggregated(scalar, sets, values)
        case ScalarPipeline(stages, aggregate):
            # The sets of a pipeline of its own, added up by the set that they came from.
            inner = run(stages, sets, values)
            is_in = np.isin(sets.rows, inner.rows)
            return _scalar(aggregate, sets.kept(is_in), values)
        case ScalarOperation(operator, left, right):
            a, b = _scalar(left, sets, values), _scalar(right, sets, values)
            with np.errstate(all="ignore"):
                operations = {
                    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide,
                    "%": np.fmod, "^": np.power,
                }  # fmt: skip
                result = np.asarray(operations[operator](a, b), np.float64)
            return np.where(np.isfinite(result), result, np.nan)


def _aggregated(aggregate: Aggregate, sets: Spansets, values: FieldValues) -> Floats:
    many = len(sets.traces)
    if aggregate.operand is None:
        return sets.sizes.astype(np.float64)
    column = values.column(aggregate.operand).take(sets.rows)
    is_number = column.is_number
    numbers, owners = column.as_floats[is_number], sets.owners[is_number]
    counts = np.bincount(owners, minlength=many)
    if aggregate.name in ("sum", "avg"):
        result = np.bincount(owners, numbers, minlength=many).astype(np.float64)
        with np.errstate(all="ignore"):
            result = result / counts if aggregate.name == "avg" else result
    else:
        is_max = aggregate.name == "max"
        result = np.full(many, -np.inf if is_max else np.inf)
        (np.maximum if is_max else np.minimum).at(result, owners, numbers)
    return np.where(counts > 0, result, np.nan)
