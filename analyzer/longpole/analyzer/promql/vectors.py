"""Values at every step of a query at once: one row for each label set, one column for each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from longpole.analyzer.promql.histograms import Histograms
from longpole.analyzer.promql.refusals import EvaluationError
from longpole.analyzer.promql.series import (
    Booleans,
    Floats,
    Labels,
    are_histograms,
    joined_histograms,
    without_name,
)

SAME_LABELS = "vector cannot contain metrics with the same labelset"


@dataclass(frozen=True, slots=True)
class Vector:
    """An instant vector at each of S steps: `values` and `present` are N x S. What is absent has
    whatever value; label sets are distinct. The order of rows means something only after a
    sort, of one step. Samples that are native histograms stand in `histograms` (N x S, None for
    a float); without any it is None, and everything works on columns of floats."""

    labels: tuple[Labels, ...]
    values: Floats
    present: Booleans
    histograms: Histograms | None = None

    @staticmethod
    def empty(steps: int) -> Vector:
        """No series at all."""
        return Vector((), np.empty((0, steps)), np.empty((0, steps), bool))

    def with_values(self, values: Floats, present: Booleans | None = None) -> Vector:
        """The same label sets with other values, which are floats."""
        return Vector(self.labels, values, self.present if present is None else present)

    def where(self, present: Booleans) -> Vector:
        """The same samples at other places."""
        return replace(self, present=present)

    def floats(self) -> Vector:
        """Without the histograms."""
        if self.histograms is None:
            return self
        return self.with_values(self.values, self.present & ~are_histograms(self.histograms))

    def held_histograms(self) -> Booleans:
        """Where histograms are."""
        if self.histograms is None:
            return np.zeros(self.present.shape, bool)
        return self.present & are_histograms(self.histograms)

    def take(self, rows: Sequence[int]) -> Vector:
        """Some rows, in that order."""
        chosen = list(rows)
        labels = tuple(self.labels[row] for row in chosen)
        held = None if self.histograms is None else self.histograms[chosen]
        return Vector(labels, self.values[chosen], self.present[chosen], held)

    def shown(self) -> Vector:
        """Without rows that are absent at every step."""
        kept = np.flatnonzero(self.present.any(axis=1))
        return self if len(kept) == len(self.labels) else self.take(kept.tolist())


# Of an expression at every step: a vector, one number for each step, or a text.
Value: TypeAlias = Vector | Floats | str


def relabelled(vector: Vector, change: Callable[[Labels], Labels]) -> Vector:
    """Every label set changed; rows that become equal are joined. Raises `EvaluationError` when
    both have a value at one step."""
    return joined(replace(vector, labels=tuple(map(change, vector.labels))))


def nameless(vector: Vector) -> Vector:
    """Without the name of the metric, which no longer tells what the values are."""
    return relabelled(vector, without_name)


def negated(vector: Vector, pay: Callable[[int], None]) -> Histograms | None:
    """Its histograms, everything in them times -1; `pay` is told the size of each."""
    if vector.histograms is None:
        return None
    found = vector.histograms.copy()
    for place in np.argwhere(vector.held_histograms()).tolist():
        pay(found[tuple(place)].size)
        found[tuple(place)] = found[tuple(place)].times(-1.0)
    return found


def joined(vector: Vector, message: str = SAME_LABELS) -> Vector:
    """Rows of equal label sets made one, in the order of their first."""
    groups: dict[Labels, list[int]] = {}
    for row, labels in enumerate(vector.labels):
        groups.setdefault(labels, []).append(row)
    if len(groups) == len(vector.labels):
        return vector
    values = np.empty((len(groups), vector.values.shape[1]))
    present = np.zeros(values.shape, bool)
    histograms = None if vector.histograms is None else np.full(values.shape, None, object)
    for place, rows in enumerate(groups.values()):
        values[place] = vector.values[rows[0]]
        for row in rows:
            here = vector.present[row]
            if (present[place] & here).any():
                raise EvaluationError(message)
            np.copyto(values[place], vector.values[row], where=here)
            if histograms is not None and vector.histograms is not None:
                np.copyto(histograms[place], vector.histograms[row], where=here)
            present[place] |= here
    return Vector(tuple(groups), values, present, histograms)


def stacked(parts: Sequence[Vector], steps: int) -> Vector:
    """All rows of several vectors, not joined."""
    if not parts:
        return Vector.empty(steps)
    labels = tuple(one for part in parts for one in part.labels)
    values = np.concatenate([part.values for part in parts])
    histograms = joined_histograms([(part.histograms, part.values.shape) for part in parts])
    return Vector(labels, values, np.concatenate([part.present for part in parts]), histograms)
