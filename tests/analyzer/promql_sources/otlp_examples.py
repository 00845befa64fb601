"""Requests of metrics with everything that a translation to Prometheus treats specially."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

DELTA, CUMULATIVE = 1, 2
SECOND = 1_000_000_000
STEP = 15 * SECOND
NO_VALUE = 1  # the flag of a point without a recorded value

NAMES = (
    ("queue.depth", "1"), ("queue.depth", "{items}"), ("memory.usage", "By"), ("1st.name", "m"),
    ("disk.io", "By/s"), ("speed", "m/s"), ("speed.per.second", "m/s"), ("temperature", "Cel"),
    ("load_ratio", "1"), ("load.total", ""), ("share", "%"), ("odd..__name", "K_b"),
    ("weird unit", "__/__"), ("bytes.used.bytes", "By"), ("a:b", "KiBy"), ("rate", "{req}/min"),
    ("über.maß", "s"), ("per", "/s"), ("time", "ms/{call}"), ("x", "foo bar/baz-"),
)  # fmt: skip
ATTRIBUTES: Mapping[str, Any] = {
    "http.route": "/cart", "http_route": "/also", "1st": "digit", "_private": "x", "__dunder": "y",
    "empty": "", "n": 7, "half": 0.5, "big": 1e21, "small": 1e-7, "whole": 3.0, "yes": True,
    "list": ["a", 1, True, None], "map": {"b": 1, "a": {"c": [2.5]}}, "bytes": b"\x00\xff",
    "naïve": "ünïcode", "quote": 'a"b\\c\n', "job": "mine", "instance": "also mine",
    "service.name": "not the resource's",
}  # fmt: skip


def request(resource: Mapping[str, Any]) -> tuple[ExportMetricsServiceRequest, Any]:
    """A request, and the list of its metrics."""
    made = ExportMetricsServiceRequest()
    block = made.resource_metrics.add()
    add_attributes(block.resource.attributes, resource)
    return made, block.scope_metrics.add().metrics


def add_attributes(target: Any, attributes: Mapping[str, Any]) -> None:
    """Attributes of any type."""
    for key, value in attributes.items():
        target.append(KeyValue(key=key, value=any_value(value)))


def any_value(value: Any) -> AnyValue:
    """A Python value as OTLP has it."""
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[any_value(one) for one in value]))
    if isinstance(value, dict):
        pairs = [KeyValue(key=key, value=any_value(one)) for key, one in value.items()]
        return AnyValue(kvlist_value=KeyValueList(values=pairs))
    return AnyValue()


def named(start: int) -> ExportMetricsServiceRequest:
    """A gauge and both kinds of sums under each of the names."""
    made, metrics = request({"service.name": "names", "service.instance.id": "n1"})
    for place, (name, unit) in enumerate(NAMES):
        for kind in ("gauge", "sum", "updown"):
            metric = metrics.add(name=name, unit=unit, description=f"about {name}")
            data = metric.gauge if kind == "gauge" else metric.sum
            if kind != "gauge":
                data.aggregation_temporality = CUMULATIVE
                data.is_monotonic = kind == "sum"
            point = data.data_points.add(time_unix_nano=start, as_double=place + 0.25)
            add_attributes(point.attributes, {"kind": kind, "unit": unit})
    return made


def attributed(start: int) -> ExportMetricsServiceRequest:
    """A gauge with odd attributes from each of some resources."""
    made = ExportMetricsServiceRequest()
    resources: list[Mapping[str, Any]] = [
        {"service.name": "shop", "service.namespace": "eu", "service.instance.id": "i-1",
         "service.version": "1.2", "host.name": "h", "deployment.environment.name": "prod"},
        {"service.name": "bare"},
        {"service.namespace": "only-a-namespace", "cloud.region": "x"},
        {"service.instance.id": "only-an-instance", "tags": ["a"], "host.id": 7},
        {**ATTRIBUTES, "service.name": "everything"},
    ]  # fmt: skip
    for resource in resources:
        block = made.resource_metrics.add()
        add_attributes(block.resource.attributes, resource)
        gauge = block.scope_metrics.add().metrics.add(name="odd").gauge
        for place, attributes in enumerate(({}, ATTRIBUTES, {"le": "1", "quantile": "2"})):
            point = gauge.data_points.add(time_unix_nano=start, as_int=place)
            add_attributes(point.attributes, attributes)
    return made


def moving(start: int, step: int, temporality: int) -> ExportMetricsServiceRequest:
    """One point of each kind of metric at one of many steps."""
    made, metrics = request({"service.name": f"moving-{temporality}", "host.name": "h"})
    now = start + step * STEP
    times = {"time_unix_nano": now, "start_time_unix_nano": start - STEP if temporality == 2 else
             now - STEP}  # fmt: skip
    grown = step + 1 if temporality == CUMULATIVE else 1
    total = metrics.add(name="served", unit="{requests}").sum
    total.aggregation_temporality, total.is_monotonic = temporality, True
    is_gone = step in (7, 8)
    flags = NO_VALUE if is_gone else 0
    point = total.data_points.add(**times, flags=flags)
    if not is_gone:
        point.as_int = grown * 3
    plain = metrics.add(name="took", unit="s").histogram
    plain.aggregation_temporality = temporality
    counts = [grown, 0, 2 * grown]
    bounds = [0.1, 2.5] if step < 20 else [0.5, 2.5]
    plain.data_points.add(**times, count=3 * grown, sum=1.5 * grown, explicit_bounds=bounds,
                          bucket_counts=counts, min=0, max=9)  # fmt: skip
    bare = metrics.add(name="bare", unit="By").histogram
    bare.aggregation_temporality = temporality
    bare.data_points.add(**times, count=grown)
    return made


def summaries(start: int, step: int) -> ExportMetricsServiceRequest:
    """A summary, whose second quantile comes late."""
    made, metrics = request({"service.name": "summed"})
    point = metrics.add(name="rpc.time", unit="ms").summary.data_points.add(
        time_unix_nano=start + step * STEP, count=step, sum=step * 2.5
    )
    for quantile in (0.5, 0.99, 1) if step > 3 else (0.5,):
        point.quantile_values.add(quantile=quantile, value=quantile * step)
    return made


def exponential(start: int, step: int, scale: int) -> ExportMetricsServiceRequest:
    """A histogram whose buckets move."""
    made, metrics = request({"service.name": "wide"})
    data = metrics.add(name="size", unit="By").exponential_histogram
    data.aggregation_temporality = CUMULATIVE
    counts = [step + 1, 0, 2 * step + 1, 3]
    point = data.data_points.add(
        time_unix_nano=start + step * STEP, count=sum(counts) + 5 + 2, sum=100.5 * step,
        scale=scale, zero_count=5,
    )  # fmt: skip
    point.positive.offset = 8
    point.positive.bucket_counts.extend(counts)
    point.negative.offset = 0
    point.negative.bucket_counts.extend([2])
    return made


STEPS = 40


def cumulative_requests(start: int) -> Iterator[ExportMetricsServiceRequest]:
    """Everything but deltas, in the order of its times."""
    yield named(start)
    yield attributed(start)
    for step in range(STEPS):
        yield moving(start, step, CUMULATIVE)
        yield summaries(start, step)
