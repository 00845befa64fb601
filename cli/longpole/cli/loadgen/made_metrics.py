"""Metric requests of a web shop: gauges, counters and histograms of the same series each time."""

from __future__ import annotations

import numpy as np
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

from longpole.cli.loadgen.placeholders import Kind, Placeholders
from longpole.cli.loadgen.request import MadeRequest, Times
from longpole.cli.loadgen.words import SERVICES, any_value, resource

_CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_STARTED = 1_790_000_000_000_000_000
_POINTS_PER_METRIC = 8


def made_metrics(prefix: str, count: int, attribute_count: int, seed: int) -> MadeRequest:
    """A request of exactly so many points: a third each of gauges, counters and histograms."""
    random = np.random.default_rng(seed)
    made = Placeholders(seed)
    times = Times()
    request = ExportMetricsServiceRequest()
    done = number = 0
    while done < count:
        group = request.resource_metrics.add()
        group.resource.CopyFrom(resource(prefix, SERVICES[number % len(SERVICES)][0], seed))
        scoped = group.scope_metrics.add()
        scoped.scope.name = "shop.metrics"
        for kind in range(3):
            points = min(count - done, _POINTS_PER_METRIC)
            if points:
                _fill(scoped.metrics.add(), kind, number, points, attribute_count, made, random)
                done += points
        number += 1
    times.offsets[Kind.END] = [0] * made.count(Kind.END)
    times.owners[Kind.END] = [0] * made.count(Kind.END)
    times.next_trace()
    return MadeRequest(request, made, times, count)


def _fill(
    metric: Metric, kind: int, number: int, points: int, attribute_count: int,
    made: Placeholders, random: np.random.Generator,
) -> None:  # fmt: skip
    for point in range(points):
        pairs = [
            KeyValue(
                key=("http.route", "http.request.method")[place] if place < 2 else f"label.{place}",
                value=any_value(f"/{number}/{point}" if place == 0 else f"v{point * place % 7}"),
            )
            for place in range(attribute_count)
        ]
        if kind == 0:
            metric.name, metric.unit = "process.memory.usage", "By"
            metric.gauge.data_points.add(
                time_unix_nano=made.time(Kind.END), as_int=made.integer(), attributes=pairs
            )
        elif kind == 1:
            metric.name, metric.unit = "http.server.response.bytes", "By"
            metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, _CUMULATIVE
            metric.sum.data_points.add(
                start_time_unix_nano=_STARTED, time_unix_nano=made.time(Kind.END),
                as_double=made.double(), attributes=pairs,
            )  # fmt: skip
        else:
            metric.name, metric.unit = "http.server.request.duration", "s"
            metric.histogram.aggregation_temporality = _CUMULATIVE
            buckets = random.integers(0, 1000, len(_BOUNDS) + 1).tolist()
            metric.histogram.data_points.add(
                start_time_unix_nano=_STARTED, time_unix_nano=made.time(Kind.END),
                count=sum(buckets), sum=made.double(), bucket_counts=buckets,
                explicit_bounds=_BOUNDS, attributes=pairs,
            )  # fmt: skip
