"""Samples that rules yield, as metric points: what is recorded goes the way of everything else.

One resource, marked as recorded, holds them all; a point's attributes are the labels of its
series, and a stale marker is the NaN that it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from longpole.analyzer.alerting.tick_source import Sample
from longpole.analyzer.promql.histograms import Histogram
from longpole.analyzer.promql.selectors import NAME
from longpole.analyzer.promql_sources.series_labels import RECORDED
from longpole.formats import otlp
from longpole.model.signals import Signal
from longpole.model.telemetry import Telemetry


def recorded(samples: Sequence[Sample], scope: str = "longpole.rules") -> Telemetry:
    """The request that holds these samples; `scope` says who recorded them."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    mark = resource.resource.attributes.add()
    mark.key, mark.value.bool_value = RECORDED, True
    metrics = resource.scope_metrics.add()
    metrics.scope.name = scope
    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        by_name.setdefault(dict(sample.labels).get(NAME, ""), []).append(sample)
    for name, held in sorted(by_name.items()):
        metric = metrics.metrics.add()
        metric.name = name
        for sample in held:
            if isinstance(sample.value, Histogram):
                continue  # A rule that yields one has failed before.
            point = metric.gauge.data_points.add()
            point.time_unix_nano = sample.time_ms * 1_000_000
            point.as_double = sample.value
            for label, value in sample.labels:
                if label != NAME:
                    attribute = point.attributes.add()
                    attribute.key, attribute.value.string_value = label, value
    return otlp.decode(Signal.METRICS, request.SerializeToString())
