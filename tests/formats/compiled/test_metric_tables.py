"""Metric requests by the loops: what the reference decoder says of them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

from longpole.formats import otlp
from longpole.formats.any_value import set_python, varint
from longpole.formats.compiled.series import SeriesMemory
from longpole.model.signals import Signal
from tests.formats.compiled.agreement import agrees, decoded, field, relaxed, request_of, same
from tests.formats.requests import metric_requests
from tests.formats.test_otlp_properties import mutated, mutations

TIME = 1_700_000_000_000_000_000
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")


def plain(seed: int, kinds: tuple[str, ...] = KINDS) -> ExportMetricsServiceRequest:
    """As SDKs send it."""
    chance = random.Random(seed)
    request = ExportMetricsServiceRequest()
    for group_number in range(2):
        group = request.resource_metrics.add(schema_url="https://opentelemetry.io/schemas/1.30.0")
        group.resource.attributes.add(key="service.name").value.string_value = f"s{group_number}"
        scope = group.scope_metrics.add()
        scope.scope.name = "shop.metrics"
        for kind in kinds:
            metric = scope.metrics.add(name=f"größe.{kind}", unit="s", description="How long.")
            set_python(metric.metadata.add(key="prometheus.type").value, kind)
            data = getattr(metric, kind)
            if kind not in ("gauge", "summary"):
                data.aggregation_temporality = 1 + seed % 2
            if kind == "sum":
                data.is_monotonic = True
            for number in range(3):
                point = data.data_points.add(
                    start_time_unix_nano=TIME, time_unix_nano=TIME + number, flags=number // 2
                )
                set_python(point.attributes.add(key="http.route").value, f"/cart/{number % 2}")
                set_python(point.attributes.add(key="tags").value, ["a", {"b": number % 2}])
                fill(kind, point, chance)
    return request


def fill(kind: str, point: Any, chance: random.Random) -> None:
    if kind in ("gauge", "sum"):
        if chance.random() < 0.5:
            point.as_int = chance.randrange(-(2**63), 2**63)
        else:
            point.as_double = chance.choice([-0.0, 1.5, float("inf"), float("nan")])
    else:
        point.count, point.sum = 6, 4.5
    if kind == "histogram":
        point.explicit_bounds.extend([0.1, 1.0, 10.0])
        point.bucket_counts.extend([1, 2, 0, 3])
        point.min, point.max = 0.05, 20.0
    if kind == "exponential_histogram":
        point.scale, point.zero_count, point.zero_threshold = chance.randrange(-10, 21), 1, 1e-9
        point.positive.offset = chance.randrange(-(2**31), 2**31)
        point.positive.bucket_counts.extend([1, 2**40, 0])
    if kind == "summary":
        point.quantile_values.add(quantile=0.5, value=0.2)
        point.quantile_values.add(quantile=0.99, value=float("nan"))
    elif chance.random() < 0.5:
        exemplar = point.exemplars.add(
            time_unix_nano=TIME, as_double=0.3, trace_id=b"t" * 16, span_id=b"s" * 8
        )
        set_python(exemplar.filtered_attributes.add(key="user").value, "ü")


def metrics_agree(body: bytes) -> bool:
    return agrees(body, Signal.METRICS)


def read(body: bytes) -> None:
    same(decoded(body, Signal.METRICS), otlp.decode(Signal.METRICS, body))


@pytest.mark.parametrize("kinds", [*((kind,) for kind in KINDS), KINDS, (*KINDS, "gauge")])
def test_points_of_every_kind_are_read_by_the_loops(kinds: tuple[str, ...]) -> None:
    for seed in range(4):
        assert metrics_agree(plain(seed, kinds).SerializeToString())


@settings(relaxed, max_examples=15)
@given(metric_requests, mutations)
def test_odd_and_damaged_requests_mean_the_same(
    request: Any, changes: list[tuple[int, int, bytes]]
) -> None:
    metrics_agree(request.SerializeToString())
    metrics_agree(mutated(request.SerializeToString(), changes))


@pytest.mark.full
@pytest.mark.timeout(1800)
@settings(relaxed, max_examples=3000)
@given(metric_requests, st.integers(0, 50), mutations, st.binary(max_size=400))
def test_all_of_it_with_many_examples(
    request: Any, seed: int, changes: list[tuple[int, int, bytes]], noise: bytes
) -> None:
    metrics_agree(noise)
    metrics_agree(request.SerializeToString())
    metrics_agree(mutated(request.SerializeToString(), changes))
    body = plain(seed).SerializeToString()
    metrics_agree(mutated(body, [(place * 37 + seed, how, new) for place, how, new in changes]))


def test_every_cut_and_every_changed_byte_of_a_request_means_the_same() -> None:
    body = plain(0).SerializeToString()
    chance = random.Random(7)
    for place in range(0, len(body), 97):
        metrics_agree(body[:place])
        metrics_agree(body[:place] + bytes([chance.randrange(256)]) + body[place + 1 :])


def histogram(**fields: Any) -> Any:
    """A point that the reference keeps, but for what `fields` say."""
    metric = Metric(name="m")
    metric.histogram.aggregation_temporality = CUMULATIVE
    usual: dict[str, Any] = {"time_unix_nano": TIME, "count": 3}
    usual |= {"explicit_bounds": [1.0], "bucket_counts": [1, 2]}
    metric.histogram.data_points.add(**(usual | fields))
    return metric


@pytest.mark.parametrize(
    "fields",
    [
        {"time_unix_nano": 0},
        {"count": 4},
        {"bucket_counts": [3]},
        {"bucket_counts": []},
        {"bucket_counts": [2**63, 2**63 + 3]},
        {"explicit_bounds": [1.0, 1.0], "bucket_counts": [1, 1, 1]},
        {"explicit_bounds": [float("nan")]},
    ],
)
def test_a_point_that_is_not_kept_is_the_references(fields: dict[str, Any]) -> None:
    assert metrics_agree(request_of(histogram().SerializeToString()))
    body = request_of(histogram(**fields).SerializeToString())
    assert not metrics_agree(body)
    read(body)
    assert metrics_agree(request_of(histogram(**fields, flags=1).SerializeToString())) == bool(
        fields.get("time_unix_nano", 1)
    )


def test_data_that_comes_twice_is_merged_or_the_last_of_it_counts() -> None:
    one = histogram().SerializeToString()
    gauge = Metric()
    gauge.gauge.data_points.add(time_unix_nano=TIME, as_int=1)
    for metric in (one + one, one + gauge.SerializeToString(), gauge.SerializeToString() + one):
        body = request_of(metric)
        assert not metrics_agree(body)
        read(body)


def test_attributes_between_other_fields_are_found() -> None:
    label = field(1, b"k") + field(2, field(1, b"v"))
    point = (
        field(7, label) + b"\x19" + TIME.to_bytes(8, "little") + b"\x40" + varint(2)
        + field(7, label.replace(b"k", b"l")) + b"\x31" + bytes(8)
    )  # fmt: skip
    assert metrics_agree(request_of(field(5, field(1, point))))


def test_the_memory_of_series_is_bounded_and_knows_them_again() -> None:
    memory = SeriesMemory(most_bytes=20_000)
    point = plain(0, ("gauge",)).resource_metrics[0].scope_metrics[0].metrics[0].gauge
    labels = [field(7, pair.SerializeToString()) for pair in point.data_points[0].attributes]
    ids: dict[str, list[int]] = {}
    for name in [*map(str, range(50)), *map(str, range(50))]:
        metric = (name, "", "s", "gauge", 0, False, "", "shop", 1, 2)
        found = memory.ids(metric, [*labels, b"".join(labels)])
        assert len(set(found)) == 3
        assert ids.setdefault(name, found) == found
        assert 0 < memory.held_bytes <= 20_000
