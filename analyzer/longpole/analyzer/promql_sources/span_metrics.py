"""RED of stored spans as the series that Tempo's generator and OpenTelemetry's connector make.

Both are read from the same rows: the exact sums of every settled trace at its latest revision.
Bounds of buckets are the connector's, in milliseconds and in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import pyarrow as pa

from longpole.analyzer.promql.catalog import MetricMetadata, SeriesExemplars
from longpole.analyzer.promql.expressions import Matcher, MatchOp
from longpole.analyzer.promql.numbers import written
from longpole.analyzer.promql.selectors import NAME, meets, meets_all
from longpole.analyzer.promql.series import Floats, Labels, Series, labels_of
from longpole.analyzer.promql_sources.label_groups import LabelGroup, Place, RecentReads
from longpole.analyzer.promql_sources.sample_limit import too_much
from longpole.analyzer.promql_sources.span_exemplars import (
    ExemplarSpan,
    exemplar_spans,
    series_exemplars,
)
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
from longpole.model.span import SpanKind, StatusCode
from longpole.model.timerange import TimeRange
from longpole.storage.ports import RedQuery, TraceReader

KEY = ("service", "operation", "kind", "status_code")
OVERFLOW = "otel_metric_overflow"
_PART = frozenset({NAME, "le"})
_RANKED_NS = 60_000_000_000


@dataclass(frozen=True, slots=True)
class Family:
    """How one family names its series; `unit_ns` is the unit of its durations."""

    service: str
    calls: str
    duration: str
    unit_ns: int

    def labels(self, key: Key) -> dict[str, str]:
        """The labels of a key (`KEY`, then "true" when it stands for the rest)."""
        service, operation, kind, status = key[:4]
        labels = {
            self.service: service,
            "span_name": operation,
            "span_kind": f"SPAN_KIND_{_KINDS.get(kind, 'UNSPECIFIED')}",
            "status_code": f"STATUS_CODE_{_STATUSES.get(status, 'UNSET')}",
        }
        if len(key) > len(KEY):
            labels[OVERFLOW] = "true"
        return labels

    def bounds(self) -> list[str]:
        """The values of `le`."""
        return [*(written(ns / self.unit_ns) for ns in RED_BOUNDS_NS), "+Inf"]

    @property
    def label_names(self) -> frozenset[str]:
        """Every label that a series of the family may have."""
        labels = ("span_name", "span_kind", "status_code", OVERFLOW)
        return frozenset({NAME, "le", self.service, *labels})

    @property
    def names(self) -> tuple[str, ...]:
        """Calls, then sum, count and buckets of the durations."""
        return (self.calls, *(f"{self.duration}_{part}" for part in ("sum", "count", "bucket")))


TEMPO = Family("service", "traces_spanmetrics_calls_total", "traces_spanmetrics_latency", 10**9)
CONNECTOR = Family(
    "service_name", "traces_span_metrics_calls_total",
    "traces_span_metrics_duration_milliseconds", 10**6,
)  # fmt: skip
_KINDS = {str(int(kind)): kind.name for kind in SpanKind}
_STATUSES = {str(int(status)): status.name for status in StatusCode}


class SpanMetrics:
    """The families as a `PartialCatalog`. Of more than `most_keys` different service, operation,
    kind and status, those with the fewest calls are one series for each service, kind and status,
    without `span_name` and with `otel_metric_overflow`."""

    def __init__(
        self, reader: TraceReader, clock: Clock, settings: StepSettings, most_keys: int = 10_000,
        families: Sequence[Family] = (TEMPO, CONNECTOR),
    ) -> None:  # fmt: skip
        self._reader = reader
        self._clock = clock
        self._settings = settings
        self._most_keys = most_keys
        self._families = tuple(families)
        self._recent: RecentReads[list[Key]] = RecentReads(clock)
        self._ranked: tuple[int, set[Key] | None] | None = None

    def select(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, most_samples: int
    ) -> Sequence[Series]:
        """See `SeriesSource`; not sorted."""
        found: list[Series] = []
        held = 0
        grid = grid_of(after_ms, through_ms, self._clock.now_unix_nano(), self._settings)
        for family in self._families if grid is not None else ():
            names = _wanted_names(family, matchers)
            if not names or grid is None:
                continue
            counts = self._counted(grid, family, matchers, family.names[3] in names)
            for series in _series(counts, grid, family, names, matchers):
                held += len(series.times_ms)
                if held > most_samples:
                    raise too_much(most_samples)
                found.append(series)
        return found

    def groups(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, label: str
    ) -> Iterable[LabelGroup]:
        """See `PartialCatalog`."""
        grid = grid_of(after_ms, through_ms, self._clock.now_unix_nano(), self._settings)
        for family in self._families if grid is not None else ():
            names = _wanted_names(family, matchers)
            if not names or grid is None or (label and label not in family.label_names):
                continue
            places = [place for name in names for place in _places_of(family, name, matchers)]
            is_wanted = _key_check(family, matchers)
            for key in self._keys(grid, *_pushed(family, matchers)) if places else ():
                if is_wanted(key):
                    yield LabelGroup(family.labels(key), places)

    def _keys(self, grid: Grid, services: tuple[str, ...], operation: str | None) -> list[Key]:
        """The keys that have samples."""

        def read() -> list[Key]:
            query = RedQuery(grid.heard, grid.step_ns, services, operation, False, True, False)
            keys = keys_of(self._reader.red_series(query).rows, KEY)
            kept = self._kept_apart()
            return keys if kept is None else sorted({_or_rest(key, kept) for key in keys})

        return self._recent.get((grid, services, operation), read)

    def metadata(self) -> Mapping[str, Sequence[MetricMetadata]]:
        """See `SeriesCatalog`."""
        told: dict[str, Sequence[MetricMetadata]] = {}
        for family in self._families:
            told[family.calls] = [MetricMetadata("counter", "Spans that ended")]
            told[family.duration] = [MetricMetadata("histogram", "Durations of spans")]
        return told

    def exemplars(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int
    ) -> Sequence[SeriesExemplars]:
        """See `SeriesCatalog`; the slowest spans of some times in between."""
        grid = grid_of(after_ms, through_ms, self._clock.now_unix_nano(), self._settings)
        found: list[SeriesExemplars] = []
        for family in self._families if grid is not None else ():
            names = _wanted_names(family, matchers)
            if grid is None or not set(names) & {family.names[0], family.names[3]}:
                continue
            is_wanted = _key_check(family, matchers)
            spans = exemplar_spans(self._reader, grid, is_wanted, *_pushed(family, matchers))
            found += series_exemplars(spans, partial(_places, family, matchers))
        return found

    def _counted(
        self, grid: Grid, family: Family, matchers: Sequence[Matcher], with_buckets: bool
    ) -> Counted:
        services, operation = _pushed(family, matchers)

        def rows(time: TimeRange, step_ns: int, by_step: bool) -> pa.Table:
            query = RedQuery(time, step_ns, services, operation, by_step, True, with_buckets)
            return self._reader.red_series(query).rows

        kept = self._kept_apart()
        hours = rows(grid.hours, HOUR_NS, False)
        before = [hours, rows(grid.rest, grid.step_ns, False)]
        steps = rows(grid.steps, grid.step_ns, True)
        found = counted(before, steps, KEY, grid, lambda table: _numbers(table, with_buckets))
        if kept is None:
            return found
        return merged_keys(found, lambda key: _or_rest(key, kept))

    def _kept_apart(self) -> set[Key] | None:
        """The keys with the most calls of all, whatever is asked for; looked up once a minute."""
        now = self._clock.monotonic_ns()
        if self._ranked is None or now - self._ranked[0] > _RANKED_NS:
            end = self._clock.now_unix_nano() // HOUR_NS * HOUR_NS + HOUR_NS
            query = RedQuery(TimeRange(0, end), HOUR_NS, (), None, False, True, False)
            self._ranked = (now, _most_called(self._reader.red_series(query).rows, self._most_keys))
        return self._ranked[1]


def _or_rest(key: Key, kept: set[Key]) -> Key:
    """A key, or what stands for it among the rest."""
    return key if key in kept else (key[0], "", *key[2:], "true")


def _most_called(rows: pa.Table, most: int) -> set[Key] | None:
    """The keys that are kept apart; None: all of them."""
    if rows.num_rows <= most:
        return None
    calls = rows.column("count").to_numpy()
    # Rows come by key, and equal counts stay in that order.
    order = np.argsort(-calls, kind="stable")[:most]
    told = rows.select(KEY).take(pa.array(order)).to_pydict()
    return set(zip(*([str(v) for v in told[name]] for name in KEY), strict=True))


def _numbers(rows: pa.Table, with_buckets: bool) -> Floats:
    """Calls, nanoseconds, and calls up to each bound."""
    columns = [rows.column(name).to_numpy().astype(np.float64) for name in
               ("count", "duration_sum_ns")]  # fmt: skip
    plain = np.stack(columns, axis=1) if rows.num_rows else np.zeros((0, 2))
    if not with_buckets:
        return plain
    lists = rows.column("bucket_counts").combine_chunks()
    flat = lists.flatten().to_numpy().astype(np.float64)
    buckets = flat.reshape(rows.num_rows, len(RED_BOUNDS_NS) + 1)
    return np.concatenate([plain, np.cumsum(buckets, axis=1)], axis=1)


def _pushed(family: Family, matchers: Sequence[Matcher]) -> tuple[tuple[str, ...], str | None]:
    """The service and the operation that are asked for by equality."""
    equal = {m.label: m.value for m in matchers if m.op is MatchOp.EQUAL and m.value}
    service = equal.get(family.service)
    return (() if service is None else (service,)), equal.get("span_name")


def _wanted_names(family: Family, matchers: Sequence[Matcher]) -> Sequence[str]:
    named = tuple(matcher for matcher in matchers if matcher.label == NAME)
    return _known_names(tuple(family.names), named)


@lru_cache(maxsize=512)
def _known_names(names: tuple[str, ...], named: tuple[Matcher, ...]) -> Sequence[str]:
    """Every query asks, and most of them for something else."""
    return [name for name in names if all(meets(matcher, name) for matcher in named)]


def _key_check(family: Family, matchers: Sequence[Matcher]) -> Callable[[Key], bool]:
    """Whether the labels of a key meet the matchers, those of name and bucket apart."""
    shared = [matcher for matcher in matchers if matcher.label not in _PART]
    return lambda key: meets_all(shared, family.labels(key))


def _places_of(family: Family, name: str, matchers: Sequence[Matcher]) -> Iterator[Place]:
    """Name and bound of the wanted series of a key."""
    parts = [m for m in matchers if m.label == "le"]
    bounds = family.bounds() if name == family.names[3] else [""]
    for bound in bounds:
        if all(meets(matcher, bound) for matcher in parts):
            yield ((NAME, name), ("le", bound))


def _labels(family: Family, name: str, key: Key, matchers: Sequence[Matcher]) -> Iterator[Labels]:
    for place in _places_of(family, name, matchers):
        yield labels_of({**family.labels(key), **dict(place)})


def _series(
    counts: Counted, grid: Grid, family: Family, names: Sequence[str],
    matchers: Sequence[Matcher],
) -> Iterator[Series]:  # fmt: skip
    bounds = {bound: column for column, bound in enumerate(family.bounds(), 2)}
    for key, times, numbers in samples_by_key(counts, grid, _key_check(family, matchers)):
        for name in names:
            for labels in _labels(family, name, key, matchers):
                if name == family.names[3]:
                    values = numbers[:, bounds[dict(labels)["le"]]]
                elif name == family.names[1]:
                    values = numbers[:, 1] / family.unit_ns
                else:
                    values = numbers[:, 0]
                yield Series(labels, times, np.ascontiguousarray(values))


def _places(
    family: Family, matchers: Sequence[Matcher], one: ExemplarSpan
) -> Iterator[tuple[Labels, float]]:
    """The series that a span is an exemplar of, and the value that it has there."""
    names = _wanted_names(family, matchers)
    if family.calls in names:
        for labels in _labels(family, family.calls, one.key, matchers):
            yield labels, 1.0
    if family.names[3] in names:
        place = int(np.searchsorted(RED_BOUNDS_NS, one.duration_ns))
        for labels in _labels(family, family.names[3], one.key, matchers):
            if dict(labels)["le"] == family.bounds()[place]:
                yield labels, one.duration_ns / family.unit_ns
