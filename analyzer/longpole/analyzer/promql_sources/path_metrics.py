"""Where the time of traces went, as a counter: `longpole_critical_path_seconds_total`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from longpole.analyzer.promql.catalog import MetricMetadata, SeriesExemplars
from longpole.analyzer.promql.expressions import Matcher
from longpole.analyzer.promql.selectors import NAME, meets, meets_all
from longpole.analyzer.promql.series import Floats, Series, labels_of
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
from longpole.storage.ports import PathSeriesQuery, TraceReader

METRIC = "longpole_critical_path_seconds_total"
_HELP = "Time on the critical path of traces, by root, service, operation and what it was spent on"
_KEY = ("root_service", "root_operation", "service", "operation", "label")
_NS = 1e9
_LABEL_NAMES = frozenset({NAME, "root", "service", "operation", "label", "otel_metric_overflow"})
_PLACES: tuple[Place, ...] = ((),)


class PathMetrics:
    """The counter as a `PartialCatalog`. Of more than `most_keys` series, those with the least time
    are one for each service and label, with `otel_metric_overflow`."""

    def __init__(
        self, reader: TraceReader, clock: Clock, settings: StepSettings, most_keys: int = 10_000
    ) -> None:
        self._reader = reader
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
        grid = self._grid(matchers, after_ms, through_ms)
        if grid is None:
            return found
        for key, times, numbers in samples_by_key(self._counted(grid), grid, _check(matchers)):
            held += len(times)
            if held > most_samples:
                raise too_much(most_samples)
            found.append(Series(labels_of(path_labels(key)), times, numbers[:, 0] / _NS))
        return found

    def groups(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, label: str
    ) -> Iterable[LabelGroup]:
        """See `PartialCatalog`. What is kept apart is decided by the time spent in this time."""
        grid = self._grid(matchers, after_ms, through_ms)
        if grid is None or (label and label not in _LABEL_NAMES):
            return
        is_wanted = _check(matchers)
        for key in self._recent.get(grid, lambda: self._keys(grid)):
            if is_wanted(key):
                yield LabelGroup(path_labels(key), _PLACES)

    def _keys(self, grid: Grid) -> list[Key]:
        rows = self._reader.path_series(PathSeriesQuery(grid.heard, grid.step_ns, by_step=False))
        spent = rows.column("critical_ns").to_numpy()
        most = rows.take(np.argsort(-spent, kind="stable")[: self._most_keys])
        kept = set(keys_of(most, _KEY))
        return sorted({_or_rest(key, kept) for key in keys_of(rows, _KEY)})

    def metadata(self) -> Mapping[str, Sequence[MetricMetadata]]:
        """See `SeriesCatalog`."""
        return {METRIC: [MetricMetadata("counter", _HELP, "seconds")]}

    def exemplars(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int
    ) -> Sequence[SeriesExemplars]:
        """None: a trace adds to many of these series at once."""
        return ()

    def _grid(self, matchers: Sequence[Matcher], after_ms: int, through_ms: int) -> Grid | None:
        if not all(meets(matcher, METRIC) for matcher in matchers if matcher.label == NAME):
            return None
        return grid_of(after_ms, through_ms, self._clock.now_unix_nano(), self._settings)

    def _counted(self, grid: Grid) -> Counted:
        read = self._reader.path_series
        hours = read(PathSeriesQuery(grid.hours, HOUR_NS, by_step=False))
        rest = read(PathSeriesQuery(grid.rest, grid.step_ns, by_step=False))
        steps = read(PathSeriesQuery(grid.steps, grid.step_ns))
        found = counted([hours, rest], steps, _KEY, grid, _numbers)
        if len(found.keys) <= self._most_keys:
            return found
        added = np.zeros(len(found.keys))
        np.add.at(added, found.group, found.added[:, 0])
        order = np.argsort(-(found.base[:, 0] + added), kind="stable")[: self._most_keys]
        kept = {found.keys[place] for place in order.tolist()}
        return merged_keys(found, lambda key: _or_rest(key, kept))


def _or_rest(key: Key, kept: set[Key]) -> Key:
    """A key, or what stands for it among the rest."""
    return key if key in kept else ("", "", key[2], "", key[4], "true")


def _numbers(rows: pa.Table) -> Floats:
    numbers = np.asarray(rows.column("critical_ns").to_numpy(), np.float64)
    return numbers.reshape(-1, 1)


def path_labels(key: Key) -> dict[str, str]:
    """The labels of root service, root operation, service, operation, label; then "true" for what
    stands for the rest."""
    root = " ".join(part for part in key[:2] if part)
    labels = {NAME: METRIC, "root": root, "service": key[2], "operation": key[3], "label": key[4]}
    return labels | ({"otel_metric_overflow": "true"} if len(key) > len(_KEY) else {})


def _check(matchers: Sequence[Matcher]) -> Callable[[Key], bool]:
    return lambda key: meets_all(matchers, path_labels(key))
