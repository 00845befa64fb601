"""Telemetry kept in memory: the spans and metric points that a test looks at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    HistogramDataPoint,
    InMemoryMetricReader,
    Metric,
    NumberDataPoint,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, Tracer

from shop.chassis.span_manners import SpanManners


class Seen:
    """A tracer and a meter provider, and what came of them."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracer_provider = TracerProvider()
        keeper = SimpleSpanProcessor(self._exporter)
        self.tracer_provider.add_span_processor(SpanManners(keeper))
        self._reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self._reader])

    @property
    def tracer(self) -> Tracer:
        """For the span that calls."""
        return self.tracer_provider.get_tracer("test")

    def spans(self, name: str = "", kind: SpanKind | None = None) -> list[ReadableSpan]:
        """The ended spans in the order of their ends."""
        return [
            span
            for span in self._exporter.get_finished_spans()
            if name in ("", span.name) and kind in (None, span.kind)
        ]

    def client_spans(self) -> list[ReadableSpan]:
        """Those of kind CLIENT."""
        return self.spans(kind=SpanKind.CLIENT)

    def points(self, metric_name: str) -> dict[tuple[tuple[str, Any], ...], float]:
        """The values of a metric by its sorted attributes."""
        points: dict[tuple[tuple[str, Any], ...], float] = {}
        for metric in self._metrics(metric_name):
            for point in metric.data.data_points:
                assert isinstance(point, NumberDataPoint)
                points[tuple(sorted((point.attributes or {}).items()))] = point.value
        return points

    def durations(self, metric_name: str) -> list[tuple[dict[str, Any], HistogramDataPoint]]:
        """The parts of a histogram in seconds: their attributes, and what fell into them."""
        found = []
        for metric in self._metrics(metric_name):
            assert metric.unit == "s"
            for point in metric.data.data_points:
                assert isinstance(point, HistogramDataPoint)
                found.append((dict(point.attributes or {}), point))
        return found

    def unit(self, metric_name: str) -> str | None:
        """The unit of a metric."""
        (metric,) = self._metrics(metric_name)
        return metric.unit

    def _metrics(self, metric_name: str) -> list[Metric]:
        data = self._reader.get_metrics_data()
        return [
            metric
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == metric_name
        ]

    def close(self) -> None:
        """Stop the providers."""
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()


def attributes(span: ReadableSpan) -> Mapping[str, Any]:
    """The attributes of a span, never None."""
    return span.attributes or {}


def event_names(span: ReadableSpan) -> list[str]:
    """The names of its events in order."""
    return [event.name for event in span.events]
