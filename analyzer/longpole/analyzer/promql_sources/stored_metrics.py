"""Stored metric points as series."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from longpole.analyzer.promql.catalog import MetricMetadata, SeriesExemplars
from longpole.analyzer.promql.expressions import Matcher
from longpole.analyzer.promql.selectors import NAME, meets, meets_all
from longpole.analyzer.promql.series import Labels, Series, labels_of
from longpole.analyzer.promql_sources.accumulation import day_start_ms
from longpole.analyzer.promql_sources.choosing import SeriesIndex
from longpole.analyzer.promql_sources.family_names import PROMOTED
from longpole.analyzer.promql_sources.label_groups import LabelGroup
from longpole.analyzer.promql_sources.metric_exemplars import exemplars_of
from longpole.analyzer.promql_sources.metric_parts import Chosen
from longpole.analyzer.promql_sources.number_series import (
    NUMBERS,
    histogram_series,
    number_series,
)
from longpole.analyzer.promql_sources.point_samples import COLUMNS, is_daily, points_of, samples
from longpole.analyzer.promql_sources.sample_limit import too_much
from longpole.analyzer.promql_sources.series_labels import (
    StoredSeries,
    target_info,
    translated,
)
from longpole.model.timerange import TimeRange
from longpole.storage.ports import MetricReader, MetricSeries

_MS = 1_000_000
_FIRST_MS = -(1 << 62) // _MS
# `target_info` has a sample for each of these times in which its resource sent something.
_INFO_STEP_NS = 60_000_000_000
_MOST_KNOWN = 200_000
_KEPT_ANSWERS = 3
TYPES = {
    "gauge": "gauge", "histogram": "histogram", "exponential_histogram": "histogram",
    "summary": "summary",
}  # fmt: skip


class StoredMetrics:
    """Answers as a `SeriesCatalog` does, lists unlimited and not sorted across series."""

    def __init__(self, reader: MetricReader, promoted: Sequence[str] = PROMOTED) -> None:
        self._reader = reader
        self._promoted = tuple(promoted)
        # By series id, which is a hash of everything that is kept here.
        self._known: dict[int, StoredSeries] = {}
        self._indexed: tuple[tuple[MetricSeries, SeriesIndex], ...] = ()

    def select(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, most_samples: int
    ) -> Sequence[Series]:
        """See `SeriesSource`; not sorted."""
        found: list[Series] = list(self._infos(matchers, after_ms, through_ms))
        held = sum(len(one.times_ms) for one in found)
        time = _range(after_ms, through_ms)
        for group in _groups(self._chosen(matchers, after_ms, through_ms, False)):
            first = group[0].series
            if first.type in NUMBERS and not first.is_delta:
                found += number_series(self._reader, group, time, most_samples - held)
                held = sum(len(one.times_ms) for one in found)
                continue
            if first.type == "histogram" and not first.is_delta:
                told = histogram_series(self._reader, group, time, most_samples - held)
                if told is not None:
                    found += told
                    held = sum(len(one.times_ms) for one in found)
                    continue
            start_ms = after_ms
            if first.is_delta:
                start_ms = day_start_ms(after_ms) if is_daily(first) else _FIRST_MS
            rows = self._reader.series_points(
                [one.series.series_id for one in group], _range(start_ms, through_ms),
                COLUMNS[first.type], max(0, most_samples - held),
            )  # fmt: skip
            if rows.num_rows > most_samples - held:
                raise too_much(most_samples)
            points = points_of(rows, len(group))
            for place, one in enumerate(group):
                for series in samples(one.series, one.parts, points, place, after_ms, through_ms):
                    held += series.cost
                    found.append(series)
                if held > most_samples:
                    raise too_much(most_samples)
        return found

    def groups(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, label: str
    ) -> Iterable[LabelGroup]:
        """See `PartialCatalog`."""
        for one in self._chosen(matchers, after_ms, through_ms, True):
            yield LabelGroup({}, [part.labels for part in one.parts])
        for series in self._infos(matchers, after_ms, through_ms):
            yield LabelGroup({}, [series.labels])

    def metadata(self) -> Mapping[str, Sequence[MetricMetadata]]:
        """See `SeriesCatalog`."""
        told: dict[str, dict[MetricMetadata, None]] = {}
        found = self._reader.metric_series(TimeRange(), False)
        for one in self._translated(found.series):
            if one.family and not one.is_recorded:
                type_ = TYPES.get(one.type) or ("counter" if one.is_monotonic else "gauge")
                told.setdefault(one.family, {})[MetricMetadata(type_, one.help, one.unit)] = None
        info = MetricMetadata("gauge", "Target metadata")
        if told:
            told.setdefault("target_info", {})[info] = None
        return {name: list(entries) for name, entries in sorted(told.items())}

    def exemplars(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int
    ) -> Sequence[SeriesExemplars]:
        """See `SeriesCatalog`; not sorted."""
        chosen = [
            one
            for one in self._chosen(matchers, after_ms, through_ms, False)
            if any(part.kind in ("value", "bucket", "native") for part in one.parts)
        ]
        return exemplars_of(self._reader, chosen, _range(after_ms, through_ms))

    def _chosen(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, is_exact: bool
    ) -> Sequence[Chosen]:
        return self._index(_range(after_ms, through_ms), is_exact).chosen(matchers)

    def _index(self, time: TimeRange, is_exact: bool) -> SeriesIndex:
        """What there is in a time, ready to be looked through; kept as long as the store gives the
        same answer."""
        found = self._reader.metric_series(time, is_exact)
        held = self._indexed
        for answer, index in held:
            if answer is found:
                return index
        shapes: dict[int, list[Mapping[str, Any]]] = {}
        for shape in _told_shapes(found.shapes):
            shapes.setdefault(shape["series_id"], []).append(shape)
        families: dict[str, list[StoredSeries]] = {}
        for one in self._translated(found.series):
            families.setdefault(one.family, []).append(one)
        index = SeriesIndex(families, shapes)
        if not is_exact:
            self._indexed = (*held[-_KEPT_ANSWERS:], (found, index))
        return index

    def _translated(self, rows: pa.Table) -> list[StoredSeries]:
        ids: list[int] = rows.column("series_id").to_pylist()
        held = {one: self._known.get(one) for one in ids}
        unseen = [place for place, one in enumerate(ids) if held[one] is None]
        for row in rows.take(pa.array(unseen, pa.int64())).to_pylist() if unseen else ():
            made = translated(row, self._promoted)
            held[made.series_id] = self._known[made.series_id] = made
        if len(self._known) > _MOST_KNOWN:
            self._known.clear()
        return [one for one in held.values() if one is not None]

    def _infos(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int
    ) -> Iterable[Series]:
        """The series of `target_info`."""
        if not _may_be_info(matchers):
            return
        time = _range(after_ms, through_ms)
        rows = self._reader.metric_series(time, False).series.select(["resource_id", "resource"])
        wanted: dict[int, Labels] = {}
        for row in rows.group_by(["resource_id", "resource"]).aggregate([]).to_pylist():
            told = target_info(json.loads(row["resource"]))
            if told is not None:
                labels = {**told, NAME: "target_info"}
                if meets_all(matchers, labels):
                    wanted[row["resource_id"]] = labels_of(labels)
        if not wanted:
            return
        times = self._reader.resource_times(time, _INFO_STEP_NS)
        ids = times.column("resource_id").to_numpy()
        at_ms = times.column("time_unix_nano").to_numpy() // _MS
        for resource_id, told_labels in wanted.items():
            here = at_ms[ids == np.uint64(resource_id)]
            if len(here):
                yield Series(told_labels, np.unique(here), np.ones(len(np.unique(here))))


def _told_shapes(shapes: pa.Table) -> list[Mapping[str, Any]]:
    """The shapes that say something: those of numbers do not."""
    columns = [shapes.column(name).is_valid() for name in ("explicit_bounds", "quantiles", "scale")]
    told = np.zeros(shapes.num_rows, bool)
    for column in columns:
        told |= column.to_numpy()
    found: list[Mapping[str, Any]] = shapes.filter(pa.array(told)).to_pylist()
    return found


def _groups(chosen: Sequence[Chosen]) -> list[list[Chosen]]:
    """Series that are read together."""
    groups: dict[tuple[str, bool, bool], list[Chosen]] = {}
    for one in chosen:
        key = (one.series.type, one.series.is_delta, is_daily(one.series))
        groups.setdefault(key, []).append(one)
    return list(groups.values())


def _may_be_info(matchers: Sequence[Matcher]) -> bool:
    return all(meets(matcher, "target_info") for matcher in matchers if matcher.label == NAME)


def _range(after_ms: int, through_ms: int) -> TimeRange:
    return TimeRange((after_ms + 1) * _MS, (through_ms + 1) * _MS)
