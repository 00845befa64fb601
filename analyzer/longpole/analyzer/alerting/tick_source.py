"""The series that one evaluation of a group reads: those of the store, and what rules before in
the group recorded for the same time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from longpole.analyzer.alerting.shared_reads import MOST_NUMBERS, SharedReads, name_of
from longpole.analyzer.promql.expressions import Expression, Matcher
from longpole.analyzer.promql.histograms import Histogram
from longpole.analyzer.promql.known_values import HeldValues, selectors_of
from longpole.analyzer.promql.selectors import NAME, meets_all
from longpole.analyzer.promql.series import Labels, Series, SeriesSource, joined_samples
from longpole.analyzer.promql.vectors import Value


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one series."""

    labels: Labels
    time_ms: int
    value: float | Histogram


def series_of(labels: Labels, times_ms: list[int], values: list[float | Histogram]) -> Series:
    """Samples of one series."""
    times = np.array(times_ms, np.int64)
    if not any(isinstance(one, Histogram) for one in values):
        return Series(labels, times, np.array(values, np.float64))
    held = np.full(len(values), None, object)
    numbers = np.zeros(len(values))
    for place, one in enumerate(values):
        if isinstance(one, Histogram):
            held[place] = one
        else:
            numbers[place] = one
    return Series(labels, times, numbers, held)


class TickSource:
    """A source for one group at one time. Rules are evaluated one after the other; `record` puts
    what one recorded in front of those behind it."""

    def __init__(self, store: SeriesSource, shared: SharedReads) -> None:
        self._store, self._shared = store, shared
        self._asked: dict[tuple[tuple[Matcher, ...], int, int], Sequence[Series]] = {}
        self._recorded: dict[str, dict[Labels, Sample]] = {}
        # Of metrics that only rules of this group read.
        self._values = HeldValues(MOST_NUMBERS)

    def find(self, node: Expression, at_ms: int) -> Value | None:
        """As `KnownValues` promises: what is said of metrics that this group did not record yet."""
        held = self._values_of(node)
        return None if held is None else held.find(node, at_ms)

    def keep(self, node: Expression, at_ms: int, value: Value) -> None:
        """As `KnownValues` promises."""
        held = self._values_of(node)
        if held is not None:
            held.keep(node, at_ms, value)

    def _values_of(self, node: Expression) -> HeldValues | None:
        """Where the values of an expression are kept: with the series that it reads, if all groups
        share these. Nowhere if it reads what this group has recorded, or may have."""
        is_shared = True
        for selector in selectors_of(node):
            name = name_of(selector.matchers)
            if name is None or name in self._recorded:
                return None
            is_shared = is_shared and self._shared.holds(name, selector.matchers)
        return self._shared.values if is_shared else self._values

    def record(self, samples: Iterable[Sample]) -> None:
        """Let the rules behind see these."""
        for sample in samples:
            name = next((value for label, value in sample.labels if label == NAME), "")
            self._recorded.setdefault(name, {})[sample.labels] = sample

    def select(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, most_samples: int
    ) -> Sequence[Series]:
        """As `SeriesSource` promises."""
        stored = self._stored(tuple(matchers), after_ms, through_ms, most_samples)
        added = self._added(matchers, after_ms, through_ms)
        if not added:
            return stored
        found = {one.labels: one for one in stored}
        for sample in added:
            found[sample.labels] = _appended(found.get(sample.labels), sample)
        return [found[labels] for labels in sorted(found)]

    def _added(self, matchers: Sequence[Matcher], after_ms: int, through_ms: int) -> list[Sample]:
        if not self._recorded:
            return []
        name = name_of(matchers)
        held = [self._recorded.get(name, {})] if name else list(self._recorded.values())
        return [
            sample
            for samples in held
            for sample in samples.values()
            if after_ms < sample.time_ms <= through_ms and meets_all(matchers, dict(sample.labels))
        ]

    def _stored(
        self, matchers: tuple[Matcher, ...], after_ms: int, through_ms: int, most: int
    ) -> Sequence[Series]:
        key = (matchers, after_ms, through_ms)
        if key in self._asked:
            return self._asked[key]
        name = name_of(matchers)
        shared = self._shared.matching(name, matchers, after_ms, through_ms) if name else None
        if shared is None:
            shared = self._store.select(matchers, after_ms, through_ms, most)
        self._asked[key] = shared
        return shared


def _appended(before: Series | None, sample: Sample) -> Series:
    one = series_of(sample.labels, [sample.time_ms], [sample.value])
    if before is None:
        return one
    kept = int(np.searchsorted(before.times_ms, sample.time_ms))
    parts = [before.part(slice(0, kept)), one, before.part(slice(kept, None))]
    return replace(joined_samples(parts), labels=sample.labels)
