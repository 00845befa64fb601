"""What PromQL is asked of: series of samples, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from longpole.analyzer.promql.budget import HISTOGRAM_COST
from longpole.analyzer.promql.expressions import Matcher
from longpole.analyzer.promql.histograms import Histograms
from longpole.analyzer.promql.selectors import NAME

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Booleans: TypeAlias = NDArray[np.bool_]
# Sorted by name, no empty values: equal label sets are equal tuples.
Labels: TypeAlias = tuple[tuple[str, str], ...]

# The one NaN that ends a series (Prometheus, model/value).
STALE_BITS = 0x7FF0000000000002


@dataclass(frozen=True, slots=True)
class Series:
    """Samples of one label set, `times_ms` rising strictly. A sample that is a native histogram
    stands in `histograms`, which is None when all of them are floats; its value means nothing."""

    labels: Labels
    times_ms: Integers
    values: Floats
    histograms: Histograms | None = None

    @property
    def cost(self) -> int:
        """How many numbers it holds, for limits."""
        if self.histograms is None:
            return self.times_ms.size
        held = self.histograms.tolist()
        return sum(1 if one is None else HISTOGRAM_COST + one.size for one in held)

    def part(self, held: slice | Integers | Booleans) -> Series:
        """Some of the samples."""
        found = None if self.histograms is None else self.histograms[held]
        return Series(self.labels, self.times_ms[held], self.values[held], found)


class SeriesSource(Protocol):
    """Finds series."""

    def select(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, most_samples: int
    ) -> Sequence[Series]:
        """Series that meet every matcher with their samples in (after_ms, through_ms], sorted by
        labels; none without a sample. Raises `TooMuch` rather than read more than
        `most_samples`."""
        ...


def joined_samples(parts: Sequence[Series]) -> Series:
    """Samples of one label set one after the other, in no order."""
    return Series(
        parts[0].labels,
        np.concatenate([one.times_ms for one in parts]),
        np.concatenate([one.values for one in parts]),
        joined_histograms([(one.histograms, one.values.shape) for one in parts]),
    )


def joined_histograms(
    parts: Sequence[tuple[Histograms | None, tuple[int, ...]]],
) -> Histograms | None:
    """Histograms of parts of given shapes along the first axis; None when no part has any."""
    if all(held is None for held, _ in parts):
        return None
    return np.concatenate(
        [np.full(shape, None, object) if held is None else held for held, shape in parts]
    )


def are_histograms(held: Histograms) -> Booleans:
    """Which samples are histograms."""
    return held.astype(np.bool_)


def labels_of(values: Mapping[str, str]) -> Labels:
    """A label set from its names and values."""
    return tuple(sorted((name, value) for name, value in values.items() if value))


def without_name(labels: Labels) -> Labels:
    """The same label set without the name of the metric."""
    return tuple(pair for pair in labels if pair[0] != NAME)


def is_stale(values: Floats) -> Booleans:
    """Which values are staleness markers; other NaNs are values."""
    return np.asarray(values.view(np.uint64) == STALE_BITS)
