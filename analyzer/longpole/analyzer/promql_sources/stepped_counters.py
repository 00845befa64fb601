"""Counters from rows that storage adds up by time step: what the families of them share.

Rows of (client, server, connection_type), say, give a key each, and a key has one series for each
`Part`. Of more keys than `most_keys`, those that weigh least become one for each `rest`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from longpole.analyzer.promql.catalog import MetricMetadata, SeriesExemplars
from longpole.analyzer.promql.expressions import Matcher
from longpole.analyzer.promql.selectors import meets, meets_all
from longpole.analyzer.promql.series import Floats, Integers, Series, labels_of
from longpole.analyzer.promql_sources.label_groups import LabelGroup, Place, RecentReads
from longpole.analyzer.promql_sources.sample_limit import too_much
from longpole.analyzer.promql_sources.step_grid import (
    HOUR_NS,
    Counted,
    Grid,
    Key,
    StepSettings,
    counted,
    grid_of,
    keys_of,
    merged_keys,
    samples_by_key,
)
from longpole.model.clock import Clock
from longpole.model.timerange import TimeRange

_OVERFLOW = "otel_metric_overflow"
# From a range of whole steps and their length: a row for each key and step, or for each key.
ReadRows = Callable[[TimeRange, int, bool], pa.Table]


@dataclass(frozen=True, slots=True)
class Part:
    """One series of each key: its labels besides those of the key, the column of the family's
    numbers (None: always 1), and what those are divided by."""

    labels: Place
    column: int | None
    divisor: float = 1.0


@dataclass(frozen=True)
class CounterFamily:
    """Series that come from the same rows.

    `key` are the columns of a key, `weight` that whose largest values keep a key apart (it is
    column 0 of `numbers`, too); `key_labels` tells the labels of a key, `rest` what stands for one
    that is not kept apart."""

    key: tuple[str, ...]
    weight: str
    parts: tuple[Part, ...]
    key_label_names: frozenset[str]
    numbers: Callable[[pa.Table], Floats]
    key_labels: Callable[[Key], dict[str, str]]
    rest: Callable[[Key], Key]

    @cached_property
    def part_label_names(self) -> frozenset[str]:
        """The labels that tell the series of a key apart."""
        return frozenset(name for part in self.parts for name, _ in part.labels)

    def labels(self, key: Key) -> dict[str, str]:
        """The labels of a key (`key`, then "true" for what stands for the rest)."""
        is_rest = len(key) > len(self.key)
        return self.key_labels(key) | ({_OVERFLOW: "true"} if is_rest else {})

    def label_names(self) -> frozenset[str]:
        """Every label that a series may have."""
        return self.key_label_names | self.part_label_names | {_OVERFLOW}

    def key_check(self, matchers: Sequence[Matcher]) -> Callable[[Key], bool]:
        """Whether the labels of a key meet the matchers, those of the parts aside."""
        shared = [matcher for matcher in matchers if matcher.label not in self.part_label_names]
        return lambda key: meets_all(shared, self.labels(key))

    def wanted_parts(self, matchers: Sequence[Matcher]) -> Sequence[Part]:
        """The parts whose own labels meet the matchers."""
        checked = tuple(m for m in matchers if m.label in self.part_label_names)
        return _wanted_parts(self.parts, checked)


class SteppedCounters:
    """A family as a `PartialCatalog`."""

    def __init__(
        self, family: CounterFamily, metadata: Mapping[str, Sequence[MetricMetadata]],
        read: ReadRows, clock: Clock, settings: StepSettings, most_keys: int = 10_000,
    ) -> None:  # fmt: skip
        self._family = family
        self._metadata = metadata
        self._read = read
        self._clock = clock
        self._settings = settings
        self._most_keys = most_keys
        self._recent: RecentReads[list[Key]] = RecentReads(clock)

    def select(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, most_samples: int
    ) -> Sequence[Series]:
        """See `SeriesSource`; not sorted."""
        found: list[Series] = []
        held = 0
        for series in self._series(matchers, after_ms, through_ms):
            held += len(series.times_ms)
            if held > most_samples:
                raise too_much(most_samples)
            found.append(series)
        return found

    def groups(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, label: str
    ) -> Iterable[LabelGroup]:
        """See `PartialCatalog`. What is kept apart is decided by what weighs most in this time."""
        family = self._family
        places = [part.labels for part in family.wanted_parts(matchers)]
        grid = grid_of(after_ms, through_ms, self._clock.now_unix_nano(), self._settings)
        if not places or grid is None or (label and label not in family.label_names()):
            return
        is_wanted = family.key_check(matchers)
        for key in self._recent.get(grid, lambda: self._keys(grid)):
            if is_wanted(key):
                yield LabelGroup(family.labels(key), places)

    def metadata(self) -> Mapping[str, Sequence[MetricMetadata]]:
        """See `SeriesCatalog`."""
        return self._metadata

    def exemplars(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int
    ) -> Sequence[SeriesExemplars]:
        """None: a trace adds to many of these series at once, and its spans have their own."""
        return ()

    def _series(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int
    ) -> Iterator[Series]:
        family = self._family
        parts = family.wanted_parts(matchers)
        grid = grid_of(after_ms, through_ms, self._clock.now_unix_nano(), self._settings)
        if not parts or grid is None:
            return
        is_wanted = family.key_check(matchers)
        for key, times, numbers in samples_by_key(self._counted(grid), grid, is_wanted):
            for part in parts:
                labels = labels_of({**family.labels(key), **dict(part.labels)})
                yield Series(labels, times, _values(part, numbers))

    def _keys(self, grid: Grid) -> list[Key]:
        family = self._family
        rows = self._read(grid.heard, grid.step_ns, False)
        most = rows.take(_heaviest(rows.column(family.weight).to_numpy(), self._most_keys))
        kept = set(keys_of(most, family.key))
        return sorted({self._or_rest(key, kept) for key in keys_of(rows, family.key)})

    def _counted(self, grid: Grid) -> Counted:
        hours = self._read(grid.hours, HOUR_NS, False)
        before = [hours, self._read(grid.rest, grid.step_ns, False)]
        steps = self._read(grid.steps, grid.step_ns, True)
        found = counted(before, steps, self._family.key, grid, self._family.numbers)
        if len(found.keys) <= self._most_keys:
            return found
        weights = found.base[:, 0].copy()
        np.add.at(weights, found.group, found.added[:, 0])
        kept = {found.keys[at] for at in _heaviest(weights, self._most_keys).tolist()}
        return merged_keys(found, lambda key: self._or_rest(key, kept))

    def _or_rest(self, key: Key, kept: set[Key]) -> Key:
        return key if key in kept else (*self._family.rest(key), "true")


def _heaviest(weights: Floats | Integers, most: int) -> NDArray[np.int64]:
    """Where the largest are; equal ones in their order."""
    return np.argsort(-weights, kind="stable")[:most]


def _values(part: Part, numbers: Floats) -> Floats:
    if part.column is None:
        return np.ones(len(numbers))
    return np.ascontiguousarray(numbers[:, part.column]) / part.divisor


@lru_cache(maxsize=512)
def _wanted_parts(parts: tuple[Part, ...], checked: tuple[Matcher, ...]) -> Sequence[Part]:
    """Every query asks, and most of them for something else."""
    return [
        part
        for part in parts
        if all(meets(matcher, dict(part.labels).get(matcher.label, "")) for matcher in checked)
    ]
