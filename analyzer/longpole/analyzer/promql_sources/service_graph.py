"""Calls between services as the series that Grafana draws its service graph from
(`traces_service_graph_*`, as Tempo's generator and OpenTelemetry's connector make them)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa

from longpole.analyzer.promql.catalog import MetricMetadata, SeriesExemplars
from longpole.analyzer.promql.expressions import Matcher
from longpole.analyzer.promql.numbers import written
from longpole.analyzer.promql.selectors import NAME, meets, meets_all
from longpole.analyzer.promql.series import Floats, Series, labels_of
from longpole.analyzer.promql_sources.label_groups import LabelGroup, RecentReads
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
from longpole.model.columns import RED_BOUNDS_NS
from longpole.storage.ports import CallReader, CallSeriesQuery

KEY = ("client", "server", "connection_type")
TOTAL, FAILED = "traces_service_graph_request_total", "traces_service_graph_request_failed_total"
CLIENT, SERVER = (f"traces_service_graph_request_{side}_seconds" for side in ("client", "server"))
INFO = "traces_service_graph_connection_info"
_NS = 1e9
_PART = frozenset({NAME, "le"})
_LABEL_NAMES = _PART | {*KEY, "otel_metric_overflow"}
BOUNDS = (*(written(ns / _NS) for ns in RED_BOUNDS_NS), "+Inf")
# Name, bound, and the column of `graph_numbers` that holds it.
_Place = tuple[str, str, int]


def _places() -> Iterator[_Place]:
    yield TOTAL, "", 0
    yield FAILED, "", 1
    width = len(BOUNDS)
    for place, name in enumerate((CLIENT, SERVER)):
        yield f"{name}_sum", "", 2 + place
        yield f"{name}_count", "", 0
        for bound, le in enumerate(BOUNDS):
            yield f"{name}_bucket", le, 4 + place * width + bound
    yield INFO, "", -1


_PLACES = tuple(_places())


class ServiceGraph:
    """The series as a `PartialCatalog`. Of more than `most_keys` edges, those with the fewest calls
    are one for each type of connection, with `otel_metric_overflow`."""

    def __init__(
        self, reader: CallReader, clock: Clock, settings: StepSettings, most_keys: int = 10_000
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
        for key, times, numbers, places in self._edges(matchers, after_ms, through_ms):
            for name, le, column in places:
                labels = labels_of({**_labels(key), NAME: name, "le": le})
                values = np.ones(len(times)) if column < 0 else numbers[:, column]
                found.append(Series(labels, times, np.ascontiguousarray(values)))
                held += len(times)
            if held > most_samples:
                raise too_much(most_samples)
        return found

    def groups(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, label: str
    ) -> Iterable[LabelGroup]:
        """See `PartialCatalog`. Which edges are kept apart is decided by the calls of this time."""
        wanted = _wanted(matchers)
        grid = grid_of(after_ms, through_ms, self._clock.now_unix_nano(), self._settings)
        if not wanted or grid is None or (label and label not in _LABEL_NAMES):
            return
        places = [((NAME, name), ("le", le)) for name, le, _ in wanted]
        is_wanted = _check(matchers)
        for key in self._recent.get(grid, lambda: self._keys(grid)):
            if is_wanted(key):
                yield LabelGroup(_labels(key), places)

    def _keys(self, grid: Grid) -> list[Key]:
        rows = self._reader.call_series(CallSeriesQuery(grid.heard, grid.step_ns, by_step=False))
        calls = rows.column("count").to_numpy()
        most = rows.take(np.argsort(-calls, kind="stable")[: self._most_keys])
        kept = set(keys_of(most, KEY))
        return sorted({_or_rest(key, kept) for key in keys_of(rows, KEY)})

    def metadata(self) -> Mapping[str, Sequence[MetricMetadata]]:
        """See `SeriesCatalog`."""
        return {
            TOTAL: [MetricMetadata("counter", "Calls between two services")],
            FAILED: [MetricMetadata("counter", "Calls between two services that failed")],
            CLIENT: [MetricMetadata("histogram", "Calls as the client saw them", "seconds")],
            SERVER: [MetricMetadata("histogram", "Calls as the server saw them", "seconds")],
            INFO: [MetricMetadata("gauge", "1 for each pair of services that call each other")],
        }

    def exemplars(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int
    ) -> Sequence[SeriesExemplars]:
        """None are kept of calls; those of their spans are with `traces_spanmetrics_*`."""
        return ()

    def _edges(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int
    ) -> Iterator[tuple[Key, pa.Array, Floats, Sequence[_Place]]]:
        places = _wanted(matchers)
        grid = grid_of(after_ms, through_ms, self._clock.now_unix_nano(), self._settings)
        if not places or grid is None:
            return
        for key, times, numbers in samples_by_key(self._counted(grid), grid, _check(matchers)):
            yield key, times, numbers, places

    def _counted(self, grid: Grid) -> Counted:
        read = self._reader.call_series
        hours = read(CallSeriesQuery(grid.hours, HOUR_NS, by_step=False))
        rest = read(CallSeriesQuery(grid.rest, grid.step_ns, by_step=False))
        steps = read(CallSeriesQuery(grid.steps, grid.step_ns))
        found = counted([hours, rest], steps, KEY, grid, graph_numbers)
        if len(found.keys) <= self._most_keys:
            return found
        calls = found.base[:, 0].copy()
        np.add.at(calls, found.group, found.added[:, 0])
        order = np.argsort(-calls, kind="stable")[: self._most_keys]
        kept = {found.keys[place] for place in order.tolist()}
        return merged_keys(found, lambda key: _or_rest(key, kept))


def _or_rest(key: Key, kept: set[Key]) -> Key:
    """A key, or what stands for it among the rest."""
    return key if key in kept else ("", "", key[2], "true")


def graph_numbers(rows: pa.Table) -> Floats:
    """Calls, failed ones, seconds of both sides, and calls of both sides up to each bound."""
    plain = [rows.column(name).to_numpy().astype(np.float64) for name in ("count", "failed")]
    plain += [rows.column(f"{side}_ns").to_numpy() / _NS for side in ("client", "server")]
    blocks = [np.stack(plain, axis=1)]
    for side in ("client", "server"):
        lists = rows.column(f"{side}_buckets").combine_chunks()
        flat = lists.flatten().to_numpy().astype(np.float64)
        blocks.append(np.cumsum(flat.reshape(rows.num_rows, len(BOUNDS)), axis=1))
    return np.concatenate(blocks, axis=1)


def _wanted(matchers: Sequence[Matcher]) -> Sequence[_Place]:
    return _known_places(tuple(matcher for matcher in matchers if matcher.label in _PART))


@lru_cache(maxsize=512)
def _known_places(checked: tuple[Matcher, ...]) -> Sequence[_Place]:
    """Every query asks, and most of them for something else."""
    return [
        place
        for place in _PLACES
        if all(meets(m, place[0] if m.label == NAME else place[1]) for m in checked)
    ]


def _labels(key: Key) -> dict[str, str]:
    labels = {"client": key[0], "server": key[1], "connection_type": key[2]}
    return labels | ({"otel_metric_overflow": "true"} if len(key) > len(KEY) else {})


def _check(matchers: Sequence[Matcher]) -> Callable[[Key], bool]:
    shared = [matcher for matcher in matchers if matcher.label not in _PART]
    return lambda key: meets_all(shared, _labels(key))
