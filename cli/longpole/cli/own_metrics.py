"""The text of `/metrics`: the collector's counters, the store's figures, the process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from longpole.analyzer.columnar.readiness import CORE
from longpole.analyzer.red.span_counters import SpanCounters
from longpole.cli.service_graph_metrics import ServiceGraphMetrics
from longpole.cli.span_counter_metrics import SpanCounterMetrics
from longpole.formats.compiled.readiness import DECODING
from longpole.model.clock import Clock
from longpole.storage.ports import CallReader, StoreStatus


@dataclass(frozen=True, slots=True)
class StoreMetric:
    """One row of the table. `read` gives values by label value, "" without a label."""

    name: str
    kind: str  # counter, gauge
    unit: str
    help: str
    read: Callable[[StoreStatus], dict[str, float]]
    label: str = ""


def _one(read: Callable[[StoreStatus], float]) -> Callable[[StoreStatus], dict[str, float]]:
    return lambda status: {"": read(status)}


_EXPIRED = "expired_by_"


def _expired(status: StoreStatus, unit: str) -> dict[str, float]:
    return {
        name.removeprefix(_EXPIRED).removesuffix(unit): float(number)
        for name, number in status.losses.items()
        if name.startswith(_EXPIRED) and name.endswith(unit)
    }


def _compiled() -> dict[str, float]:
    return {"decoding": float(DECODING.is_ready), "analysis": float(CORE.is_ready)}


STORE_METRICS = (
    StoreMetric("longpole_storage_records", "gauge", "records", "records kept, by signal",
                lambda s: {k.value: v for k, v in s.record_counts.items()}, "signal"),
    StoreMetric("longpole_storage_hot_rows", "gauge", "rows", "rows not sealed yet",
                _one(lambda s: s.hot_rows)),
    StoreMetric("longpole_storage_segments", "gauge", "files", "sealed segments",
                _one(lambda s: s.segment_count)),
    StoreMetric("longpole_storage_segment_bytes", "gauge", "bytes", "size of sealed segments",
                _one(lambda s: s.segment_bytes)),
    StoreMetric("longpole_storage_journal_bytes", "gauge", "bytes", "size of the journal",
                _one(lambda s: s.journal_bytes)),
    StoreMetric("longpole_storage_free_bytes", "gauge", "bytes", "free space under the data "
                "directory", _one(lambda s: s.free_bytes)),
    StoreMetric("longpole_storage_replayed", "gauge", "", "1 once everything stored can be found",
                _one(lambda s: float(s.is_replayed))),
    StoreMetric("longpole_storage_settled_traces", "gauge", "traces", "traces with derived rows",
                _one(lambda s: s.settled_traces)),
    StoreMetric("longpole_storage_pending_traces", "gauge", "traces", "traces with spans that no "
                "derived row accounts for", _one(lambda s: s.pending_traces)),
    StoreMetric("longpole_storage_superseded_revisions", "gauge", "revisions", "revisions that a "
                "later one hides until compaction", _one(lambda s: s.superseded_revisions)),
    StoreMetric("longpole_storage_repeated_requests_total", "counter", "requests", "requests "
                "acknowledged as repeats and not stored again",
                _one(lambda s: s.repeated_requests)),
    StoreMetric("longpole_storage_duplicate_spans_total", "counter", "spans", "spans dropped since "
                "they equal another in every field", _one(lambda s: s.duplicate_spans_dropped)),
    StoreMetric("longpole_storage_losses_total", "counter", "", "what was lost, by reason",
                lambda s: {k: float(v) for k, v in s.losses.items() if not k.startswith(_EXPIRED)},
                "reason"),
    StoreMetric("longpole_storage_expired_records_total", "counter", "records", "records that "
                "retention dropped, by reason: age, size, free_disk",
                lambda s: _expired(s, "_rows"), "reason"),
    StoreMetric("longpole_storage_expired_bytes_total", "counter", "bytes", "bytes of files that "
                "retention dropped, by reason: age, size, free_disk",
                lambda s: _expired(s, "_bytes"), "reason"),
    StoreMetric("longpole_compiled_code_ready", "gauge", "", "1 once requests (decoding) and "
                "traces (analysis) are worked on by compiled code", lambda _: _compiled(), "task"),
)  # fmt: skip


class HasStatus(Protocol):
    """A store."""

    def status(self) -> StoreStatus: ...


class StoreMetrics(Collector):
    """Reads the store's status when asked; keeps nothing itself."""

    def __init__(self, store: HasStatus) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        status = self._store.status()
        for row in STORE_METRICS:
            family = CounterMetricFamily if row.kind == "counter" else GaugeMetricFamily
            metric = family(row.name, row.help, labels=[row.label] if row.label else [])
            for label, value in row.read(status).items():
                metric.add_metric([label] if row.label else [], value)
            yield metric

    def describe(self) -> Iterator[Metric]:
        return iter(())


# What the page of status shows of the collector; the store's figures it asks the store for.
_SHOWN = (
    "longpole_collector_records_total",
    "longpole_collector_problems_total",
    "longpole_collector_refusals_total",
    "longpole_collector_in_flight_bytes",
)


class _OnlyShown(Collector):
    """The samples of `_SHOWN`; nothing else is collected."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        yield from self._registry.restricted_registry(_SHOWN).collect()

    def describe(self) -> Iterator[Metric]:
        return iter(())


def ingest_text(registry: CollectorRegistry) -> Callable[[], bytes]:
    """A function that renders, in the same format, what came in and when the process started. It
    costs next to nothing, while `metrics_text` has a histogram for every operation there is."""
    shown = CollectorRegistry()
    shown.register(_OnlyShown(registry))
    ProcessCollector(namespace="", registry=shown)
    return lambda: bytes(generate_latest(shown))


class Measured(HasStatus, CallReader, Protocol):
    """A store that also tells of calls."""


def metrics_text(
    registry: CollectorRegistry, store: Measured, spans: SpanCounters, clock: Clock
) -> Callable[[], bytes]:
    """A function that renders everything in Prometheus's text format."""
    # One series of creation times for each counter would double the page.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry.register(StoreMetrics(store))
    registry.register(SpanCounterMetrics(spans))
    registry.register(ServiceGraphMetrics(store, clock))
    ProcessCollector(namespace="", registry=registry)
    return lambda: bytes(generate_latest(registry))


def open_metrics_text(registry: CollectorRegistry) -> Callable[[], bytes]:
    """A function that renders what is registered as OpenMetrics, which has exemplars."""
    return lambda: bytes(openmetrics.generate_latest(registry))  # type: ignore[no-untyped-call]
