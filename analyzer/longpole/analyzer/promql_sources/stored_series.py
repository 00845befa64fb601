"""Everything that PromQL can ask of a store: metrics that were sent, recorded series, and what
spans say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from longpole.analyzer.promql.catalog import MetricMetadata, SeriesExemplars
from longpole.analyzer.promql.expressions import Matcher
from longpole.analyzer.promql.memory_catalog import limited
from longpole.analyzer.promql.series import Integers, Labels, Series, joined_samples
from longpole.analyzer.promql_sources.label_groups import (
    LabelGroup,
    label_sets,
    names_of,
    values_of,
)
from longpole.analyzer.promql_sources.sample_limit import too_much


class PartialCatalog(Protocol):
    """One kind of series: a `SeriesCatalog` whose answers are neither sorted nor limited, in which
    a label set may come several times, and that only says which label sets there are."""

    def select(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, most_samples: int
    ) -> Sequence[Series]:
        """See `SeriesSource`."""
        ...

    def groups(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, label: str
    ) -> Iterable[LabelGroup]:
        """The label sets that have samples in that time; with a `label`, at least those that have
        it. Samples are not made for that."""
        ...

    def metadata(self) -> Mapping[str, Sequence[MetricMetadata]]:
        """See `SeriesCatalog`."""
        ...

    def exemplars(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int
    ) -> Sequence[SeriesExemplars]:
        """See `SeriesCatalog`."""
        ...


class JoinedCatalog:
    """Partial catalogs as one `SeriesCatalog`. Of equal label sets the samples are put together;
    of several at one time the first one counts."""

    def __init__(self, parts: Sequence[PartialCatalog]) -> None:
        self._parts = tuple(parts)

    def select(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, most_samples: int
    ) -> Sequence[Series]:
        """See `SeriesSource`."""
        found: dict[Labels, list[Series]] = {}
        held = 0
        for part in self._parts:
            for one in part.select(matchers, after_ms, through_ms, most_samples - held):
                found.setdefault(one.labels, []).append(one)
                held += one.cost
        if held > most_samples:
            raise too_much(most_samples)
        together: list[Series] = []
        times: Integers | None = None
        for labels in sorted(found):
            several = found[labels]
            # Series that were sent together share their times, which are looked at once.
            if len(several) > 1 or several[0].times_ms is not times:
                one = _together(several)
                times = one.times_ms if one is several[0] else None
            else:
                one = several[0]
            together.append(one)
        return together

    def series(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, limit: int
    ) -> Sequence[Labels]:
        """See `SeriesCatalog`."""
        found = set(label_sets(self._groups(matchers, after_ms, through_ms)))
        return limited(sorted(found), limit)

    def label_names(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, limit: int
    ) -> Sequence[str]:
        """See `SeriesCatalog`."""
        return limited(sorted(names_of(self._groups(matchers, after_ms, through_ms))), limit)

    def label_values(
        self, name: str, matchers: Sequence[Matcher], after_ms: int, through_ms: int, limit: int
    ) -> Sequence[str]:
        """See `SeriesCatalog`."""
        groups = self._groups(matchers, after_ms, through_ms, name)
        return limited(sorted(values_of(groups, name)), limit)

    def _groups(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, label: str = ""
    ) -> Iterator[LabelGroup]:
        for part in self._parts:
            yield from part.groups(matchers, after_ms, through_ms, label)

    def metadata(self) -> Mapping[str, Sequence[MetricMetadata]]:
        """See `SeriesCatalog`."""
        told: dict[str, list[MetricMetadata]] = {}
        for part in self._parts:
            for name, entries in part.metadata().items():
                known = told.setdefault(name, [])
                known += [entry for entry in entries if entry not in known]
        return dict(sorted(told.items()))

    def exemplars(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int
    ) -> Sequence[SeriesExemplars]:
        """See `SeriesCatalog`."""
        found = [
            one for part in self._parts for one in part.exemplars(matchers, after_ms, through_ms)
        ]
        return sorted(found, key=lambda one: one.labels)


def _together(series: Sequence[Series]) -> Series:
    """Samples of one label set from several places as one series."""
    if len(series) == 1 and _is_rising(series[0]):
        return series[0]
    all_of_them = joined_samples(series)
    ordered = all_of_them.part(np.argsort(all_of_them.times_ms, kind="stable"))
    times = ordered.times_ms
    return ordered.part(np.append(True, times[1:] != times[:-1])[: len(times)])


def _is_rising(one: Series) -> bool:
    return bool((one.times_ms[1:] > one.times_ms[:-1]).all())
