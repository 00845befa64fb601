"""Calls between services on `/metrics`, under the names of Tempo's service graph.

Each look adds the calls of the steps that ended since the one before, so that the counters only
grow. Not among them are calls of before the start, or of before the last hour when nobody looked
for longer, and spans that came later than `STEP.delay_seconds` after their step; under
`/prometheus` all of them are.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np
from loguru import logger
from numpy.typing import NDArray
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from longpole.analyzer.promql_sources.service_graph import (
    BOUNDS,
    CLIENT,
    FAILED,
    INFO,
    KEY,
    SERVER,
    TOTAL,
    graph_numbers,
)
from longpole.analyzer.promql_sources.step_grid import HOUR_NS, StepSettings, keys_of
from longpole.model.clock import Clock
from longpole.model.problem import LongpoleError
from longpole.model.timerange import TimeRange
from longpole.storage.ports import CallReader, CallSeriesQuery

STEP = StepSettings()
MOST_EDGES = 1_000
Floats: TypeAlias = NDArray[np.float64]
_HELP = {
    TOTAL: "Calls between two services, of steps that ended while this process ran.",
    FAILED: "Those of them that failed.",
    CLIENT: "How long they took as the client saw them.",
    SERVER: "How long they took as the server saw them.",
    INFO: "1 for each pair of services that call each other.",
}
# Name, type, labels and meaning, for the page of metrics.
ROWS = tuple(
    (name, kind, "client, server, connection_type", _HELP[name])
    for name, kind in (
        (TOTAL, "counter"), (FAILED, "counter"), (CLIENT, "histogram"), (SERVER, "histogram"),
        (INFO, "gauge"),
    )
)  # fmt: skip


class ServiceGraphMetrics(Collector):
    """Keeps what it counted; any thread may look. Calls of more than `most_edges` pairs count for
    a pair without names."""

    def __init__(self, reader: CallReader, clock: Clock, most_edges: int = MOST_EDGES) -> None:
        self._reader, self._clock, self._most_edges = reader, clock, most_edges
        self._lock = threading.Lock()
        self._counted: dict[tuple[str, ...], Floats] = {}
        self._until_ns = self._last_end()

    def collect(self) -> Iterator[Metric]:
        """Every family, also those without samples."""
        with self._lock:
            self._catch_up()
            counted = {key: numbers.copy() for key, numbers in self._counted.items()}
        yield from (_counter(TOTAL, 0, counted), _counter(FAILED, 1, counted))
        width = len(BOUNDS)
        for place, name in enumerate((CLIENT, SERVER)):
            first = 4 + place * width
            metric = HistogramMetricFamily(name, _HELP[name], labels=KEY)
            for key, numbers in counted.items():
                buckets = list(zip(BOUNDS, numbers[first : first + width].tolist(), strict=True))
                metric.add_metric(key, buckets, float(numbers[2 + place]))
            yield metric
        info = GaugeMetricFamily(INFO, _HELP[INFO], labels=KEY)
        for key in counted:
            info.add_metric(key, 1.0)
        yield info

    def describe(self) -> Iterable[Metric]:
        """Nothing is known before there are calls."""
        return ()

    def _last_end(self) -> int:
        now = self._clock.now_unix_nano() - int(STEP.delay_seconds * 1e9)
        return now - now % STEP.step_ns

    def _catch_up(self) -> None:
        until = self._last_end()
        if until <= self._until_ns:
            return
        time = TimeRange(max(self._until_ns, until - HOUR_NS), until)
        try:
            rows = self._reader.call_series(CallSeriesQuery(time, STEP.step_ns, by_step=False))
        except LongpoleError:
            # The page is also how one learns that storage is in trouble.
            logger.exception("calls between services could not be counted")
            return
        self._until_ns = until
        for key, numbers in zip(keys_of(rows, KEY), graph_numbers(rows), strict=True):
            place = key
            if key not in self._counted and len(self._counted) >= self._most_edges:
                place = ("", "", key[2])
            known = self._counted.get(place)
            self._counted[place] = numbers if known is None else known + numbers


def _counter(name: str, column: int, counted: dict[tuple[str, ...], Floats]) -> Metric:
    metric = CounterMetricFamily(name, _HELP[name], labels=KEY)
    for key, numbers in counted.items():
        metric.add_metric(key, float(numbers[column]))
    return metric
