"""Series in memory as a `SeriesCatalog`: for tests, and for rules that are tried out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from longpole.analyzer.promql.catalog import MetricMetadata, SeriesExemplars
from longpole.analyzer.promql.expressions import Matcher
from longpole.analyzer.promql.refusals import TooMuch
from longpole.analyzer.promql.selectors import meets_all
from longpole.analyzer.promql.series import Labels, Series, joined_samples

_T = TypeVar("_T")


class MemoryCatalog:
    """Series as they were given, kept sorted by labels."""

    def __init__(
        self,
        series: Iterable[Series] = (),
        metadata: Mapping[str, Sequence[MetricMetadata]] | None = None,
        exemplars: Iterable[SeriesExemplars] = (),
    ) -> None:
        self._series: dict[Labels, Series] = {}
        self._metadata = dict(metadata or {})
        self._exemplars = sorted(exemplars, key=lambda one: one.labels)
        self.add(series)

    def add(self, series: Iterable[Series]) -> None:
        """Take more samples. Those of a known series are put in order of time with the earlier
        ones; of two at the same time the later one counts."""
        for one in series:
            known = self._series.get(one.labels)
            self._series[one.labels] = one if known is None else _merged(known, one)
        self._series = dict(sorted(self._series.items()))

    def select(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, most_samples: int
    ) -> Sequence[Series]:
        """See `SeriesSource`."""
        found, held = [], 0
        for one in self._found(matchers, after_ms, through_ms):
            held += one.cost
            if held > most_samples:
                raise TooMuch(f"the query reads more than {most_samples} samples")
            found.append(one)
        return found

    def series(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, limit: int
    ) -> Sequence[Labels]:
        """See `SeriesCatalog`."""
        return limited([one.labels for one in self._found(matchers, after_ms, through_ms)], limit)

    def label_names(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, limit: int
    ) -> Sequence[str]:
        """See `SeriesCatalog`."""
        return names_in(self.series(matchers, after_ms, through_ms, 0), limit)

    def label_values(
        self, name: str, matchers: Sequence[Matcher], after_ms: int, through_ms: int, limit: int
    ) -> Sequence[str]:
        """See `SeriesCatalog`."""
        return values_in(self.series(matchers, after_ms, through_ms, 0), name, limit)

    def metadata(self) -> Mapping[str, Sequence[MetricMetadata]]:
        """See `SeriesCatalog`."""
        return dict(self._metadata)

    def exemplars(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int
    ) -> Sequence[SeriesExemplars]:
        """See `SeriesCatalog`."""
        found = []
        for one in self._exemplars:
            if meets_all(matchers, dict(one.labels)):
                inside = (e for e in one.exemplars if after_ms < e.time_ms <= through_ms)
                if held := tuple(sorted(inside, key=lambda e: e.time_ms)):
                    found.append(SeriesExemplars(one.labels, held))
        return found

    def _found(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int
    ) -> Iterator[Series]:
        for labels, one in self._series.items():
            if meets_all(matchers, dict(labels)):
                held = slice(*np.searchsorted(one.times_ms, [after_ms, through_ms], "right"))
                if held.stop > held.start:
                    yield one.part(held)


def names_in(found: Sequence[Labels], limit: int) -> Sequence[str]:
    """The label names of label sets, sorted."""
    return limited(sorted({name for labels in found for name, _ in labels}), limit)


def values_in(found: Sequence[Labels], name: str, limit: int) -> Sequence[str]:
    """The values that one label has in label sets, sorted."""
    values = {value for labels in found for key, value in labels if key == name}
    return limited(sorted(values), limit)


def limited(found: Sequence[_T], limit: int) -> Sequence[_T]:
    """At most `limit` of them; 0 is no limit."""
    return found[:limit] if limit > 0 else found


def _merged(known: Series, more: Series) -> Series:
    both = joined_samples([known, more])
    ordered = both.part(np.argsort(both.times_ms, kind="stable"))
    times = ordered.times_ms
    return ordered.part(np.append(times[1:] != times[:-1], True))
