"""The counters of settled spans on `/metrics`, under the names that dashboards ask for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, Exemplar, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from longpole.analyzer.promql_sources.path_metrics import METRIC, path_labels
from longpole.analyzer.promql_sources.span_metrics import CONNECTOR, OVERFLOW, TEMPO, Family
from longpole.analyzer.red.span_counters import ExemplarCall, Key, SpanCounters, SpanCounts
from longpole.model.ids import trace_id_hex

REVISED = "longpole_critical_path_revised_seconds_total"
MERGED = "longpole_span_metrics_merged_spans_total"
# Names that these begin with have a longer memory under `/prometheus`.
MADE_OF_SPANS = (
    *(name.removesuffix("_total") for f in (TEMPO, CONNECTOR) for name in (f.calls, f.duration)),
    METRIC,
    REVISED,
    "traces_service_graph_",
)
_NS = 1e9
# Name, type, labels and meaning, for the page of metrics.
ROWS = (
    *(
        row
        for family in (TEMPO, CONNECTOR)
        for labels in (f"{family.service}, span_name, span_kind, status_code",)
        for row in (
            (family.calls, "counter", labels, "Spans that settled in this process."),
            (family.duration, "histogram", labels, "Their durations."),
        )
    ),
    (METRIC, "counter", "root, service, operation, label",
     "Time on the critical path of traces that settled in this process."),
    (REVISED, "counter", "root, service, operation, label",
     "What later revisions of traces took off that time."),
    (MERGED, "counter", "–", "Spans counted without their operation, since there are too many."),
)  # fmt: skip


class SpanCounterMetrics(Collector):
    """Shows the counters as they are when asked."""

    def __init__(self, counters: SpanCounters) -> None:
        self._counters = counters

    def collect(self) -> Iterator[Metric]:
        """Every family, also those without samples."""
        counts = self._counters.counts()
        for family in (TEMPO, CONNECTOR):
            yield from _red(family, counts)
        helps = {name: words for name, _, _, words in ROWS}
        yield _seconds(METRIC, helps[METRIC], counts.path)
        yield _seconds(REVISED, helps[REVISED], counts.revised)
        merged = CounterMetricFamily(MERGED, helps[MERGED])
        merged.add_metric([], counts.merged_spans)
        yield merged

    def describe(self) -> Iterable[Metric]:
        """Nothing is known before there are spans."""
        return ()


def _red(family: Family, counts: SpanCounts) -> Iterator[Metric]:
    names = [family.service, "span_name", "span_kind", "status_code", OVERFLOW]
    calls = CounterMetricFamily(family.calls, "Spans that settled in this process.", labels=names)
    took = HistogramMetricFamily(
        family.duration, "Durations of spans that settled in this process.", labels=names
    )
    for key, numbers in counts.red.items():
        told = family.labels((*map(str, key[:4]), *(("true",) if len(key) > 4 else ())))
        labels = [told.get(name, "") for name in names]
        calls.add_metric(labels, float(numbers[0]))
        known = counts.exemplars.get(key, {})
        buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = [
            (bound, count)
            if (call := known.get(place)) is None
            else (bound, count, _exemplar(call, family.unit_ns))
            for place, (bound, count) in enumerate(
                zip(family.bounds(), accumulate(numbers[2:].tolist()), strict=True)
            )
        ]
        took.add_metric(labels, buckets, float(numbers[1]) / family.unit_ns)
    yield calls
    yield took


def _exemplar(span: ExemplarCall, unit_ns: float) -> Exemplar:
    """Under both names that dashboards know: OpenTelemetry's and Tempo's."""
    trace_id = trace_id_hex(span.trace_id)
    labels = {"trace_id": trace_id, "traceID": trace_id}
    return Exemplar(labels, span.duration_ns / unit_ns, span.seen_unix_nano / _NS)


def _seconds(name: str, words: str, times: Mapping[Key, float]) -> Metric:
    names = ["root", "service", "operation", "label", OVERFLOW]
    metric = CounterMetricFamily(name, words, labels=names)
    for key, nanoseconds in times.items():
        told = path_labels((*map(str, key[:5]), *(("true",) if len(key) > 5 else ())))
        metric.add_metric([told.get(label, "") for label in names], nanoseconds / _NS)
    return metric
