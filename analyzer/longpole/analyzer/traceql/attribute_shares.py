"""`compare()`: how often each value of each attribute occurs in a selection, and in the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from longpole.analyzer.traceql.columns import Column, Floats, Kind, Mask, Rows, Value
from longpole.analyzer.traceql.expressions import Attribute, Compare, Intrinsic
from longpole.analyzer.traceql.field_values import FieldValues
from longpole.analyzer.traceql.fields import field_name
from longpole.analyzer.traceql.series import Exemplar, Series
from longpole.analyzer.traceql.steps import Steps

META, ERROR, TOO_MANY = "__meta_type", "__meta_error", "__too_many_values__"
MOST_KEYS = 1_000  # of resources and of spans, in one chunk; clients put ids into keys too
MOST_VALUES = 20_000  # of one attribute; ids in attributes have one for each span
_SIDES = ("baseline", "selection")
_INTRINSICS = ("name", "kind", "status", "statusMessage", "rootName", "rootServiceName")


@dataclass(slots=True, eq=False)
class _Counts:
    """Of one attribute: by value, and over all of them; the first axis is `_SIDES`."""

    totals: Floats
    values: dict[tuple[Kind, Value], Floats] = field(default_factory=dict)
    has_more: bool = False


@dataclass(slots=True, eq=False)
class AttributeShares:
    """Gathers what `compare()` measures."""

    function: Compare
    steps: Steps
    exemplars: int
    counts: dict[str, _Counts] = field(default_factory=dict)
    examples: tuple[list[Exemplar], list[Exemplar]] = field(default_factory=lambda: ([], []))

    def add(self, rows: Rows, values: FieldValues) -> None:
        """Count these spans."""
        places = self.steps.places(values.frame.start_ns[rows])
        rows, places = rows[places >= 0], places[places >= 0]
        if not len(rows):
            return
        side = self._is_selected(values)[rows].astype(np.int64)
        self._add_exemplars(rows, side, values)
        cells = side * self.steps.count + places
        for label, column in _columns(values):
            self._add(label, column.take(rows), cells)

    def series(self) -> list[Series]:
        """Values and totals of both sides, the most frequent values of each attribute first."""
        found: list[Series] = []
        for label, counts in sorted(self.counts.items()):
            for number, side in enumerate(_SIDES):
                ranked = sorted(
                    ((float(c[number].sum()), key) for key, c in counts.values.items()),
                    key=lambda pair: (-pair[0], str(pair[1])),
                )
                meta = (META, Kind.TEXT, side)
                for total, key in ranked[: self.function.top]:
                    if total:
                        labels = (meta, (label, *key))
                        found.append(Series(labels, counts.values[key][number]))
                if counts.totals[number].any():
                    labels = ((META, Kind.TEXT, f"{side}_total"), (label, Kind.NIL, None))
                    examples = tuple(self.examples[number])
                    found.append(Series(labels, counts.totals[number], examples))
            if counts.has_more or len(counts.values) > self.function.top:
                labels = ((ERROR, Kind.TEXT, TOO_MANY), (label, Kind.NIL, None))
                found.append(Series(labels, np.zeros(self.steps.count)))
        return found

    def _is_selected(self, values: FieldValues) -> Mask:
        mask = values.mask(self.function.selection.condition)
        if not self.function.start_unix_nano:
            return mask
        starts = values.frame.start_ns
        after = starts >= self.function.start_unix_nano
        return np.asarray(mask & after & (starts < self.function.end_unix_nano))

    def _add(self, label: str, column: Column, cells: Rows) -> None:
        known = self.counts.get(label)
        size = len(_SIDES) * self.steps.count
        if known is None:
            shape = (len(_SIDES), self.steps.count)
            known = self.counts[label] = _Counts(np.zeros(shape))
        known.totals += np.bincount(cells, minlength=size).reshape(known.totals.shape)
        groups, names = column.groups()
        pairs, counts = np.unique(groups * np.int64(size) + cells, return_counts=True)
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
            group, cell = divmod(pair, size)
            held = known.values.get(names[group])
            if held is None:
                if len(known.values) >= MOST_VALUES:
                    known.has_more = True
                    continue
                held = known.values[names[group]] = np.zeros(known.totals.shape)
            held[divmod(cell, self.steps.count)] += count

    def _add_exemplars(self, rows: Rows, side: Rows, values: FieldValues) -> None:
        frame = values.frame
        for number, held in enumerate(self.examples):
            for row in rows[side == number][: max(0, self.exemplars - len(held))].tolist():
                seconds = float(frame.duration_ns[row]) / 1e9
                trace_id = frame.trace_ids[int(frame.trace_of[row])]
                span_id, start = int(frame.span_ids[row]), int(frame.start_ns[row])
                held.append(Exemplar(trace_id, span_id, start, seconds))


def _columns(values: FieldValues) -> Iterator[tuple[str, Column]]:
    """Everything that spans are told apart by, under the name that a query has for it."""
    for name in _INTRINSICS:
        yield name, values.column(Intrinsic(name))
    for scope, table in (("resource", "resources"), ("span", "spans")):
        for key in islice(dict.fromkeys(values.lists(table).keys()), MOST_KEYS):
            attribute = Attribute(scope, key)
            yield field_name(attribute), values.column(attribute)
