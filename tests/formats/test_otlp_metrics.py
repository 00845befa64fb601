from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from longpole.formats import otlp
from longpole.model.signals import Signal

FIXTURE = Path(__file__).parent / "fixtures" / "otlp-metrics.json"
NOW = 1_700_000_000_000_000_000


def decode(**data: Any) -> Any:
    tree = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", **data}]}]}]}
    return otlp.decode_json(Signal.METRICS, orjson.dumps(tree))


def histogram(**point: Any) -> Any:
    points = [{"timeUnixNano": NOW, **point}, {"timeUnixNano": NOW, "count": 1}]
    return decode(histogram={"aggregationTemporality": 2, "dataPoints": points})


def test_the_fixture_reads_back() -> None:
    tables = otlp.decode_json(Signal.METRICS, FIXTURE.read_bytes()).tables
    series = tables["metric_series"].to_pylist()
    gauge, total, latency, size, old = tables["metric_points"].to_pylist()
    assert [one["type"] for one in series] == [
        "gauge", "sum", "histogram", "exponential_histogram", "summary",
    ]  # fmt: skip
    assert (gauge["value_int"], gauge["value_double"]) == (4, None)
    assert (total["value_double"], series[1]["is_monotonic"]) == (7.5, True)
    assert orjson.loads(total["exemplars"])[0]["traceId"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert (latency["explicit_bounds"], latency["bucket_counts"]) == ([1, 5], [1, 1, 1])
    assert (latency["count"], latency["sum"], latency["min"]) == (3, 9.5, None)
    assert series[2]["temporality"] == 1
    assert series[2]["attr_str_vals"] == ["/pay"]
    assert (size["scale"], size["positive_offset"], size["positive_counts"]) == (3, -2, [1])
    assert (old["quantiles"], old["quantile_values"]) == ([0.99], [1.5])
    assert all(one["service_name"] == "checkout" for one in series)


def test_points_of_equal_series_share_one_row() -> None:
    told = decode(gauge={"dataPoints": [{"timeUnixNano": NOW + i, "asInt": i} for i in range(3)]})
    assert told.tables["metric_series"].num_rows == 1
    assert told.accepted == 3


@pytest.mark.parametrize(
    ("point", "code"),
    [
        ({"timeUnixNano": 0}, "point_without_time"),
        ({"explicitBounds": [1], "bucketCounts": [1]}, "histogram_buckets_mismatch"),
        ({"explicitBounds": [1]}, "histogram_buckets_mismatch"),
        (
            {"explicitBounds": [1, 1], "bucketCounts": [1, 0, 0], "count": 1},
            "histogram_bounds_unordered",
        ),
        (
            {"explicitBounds": ["NaN"], "bucketCounts": [1, 0], "count": 1},
            "histogram_bounds_unordered",
        ),
        ({"explicitBounds": [1], "bucketCounts": [1, 1], "count": 3}, "histogram_count_mismatch"),
    ],
)
def test_a_point_of_wrong_shape_costs_only_itself(point: dict[str, Any], code: str) -> None:
    told = histogram(**point)
    assert (told.accepted, told.rejected) == (1, 1)
    assert [p.code for p in told.problems] == [code]
    assert otlp.decode(Signal.METRICS, told.body).accepted == 1


@pytest.mark.parametrize(("scale", "accepted"), [(-11, 0), (-10, 1), (20, 1), (21, 0)])
def test_the_scale_has_limits(scale: int, accepted: int) -> None:
    points = [{"timeUnixNano": NOW, "scale": scale}]
    data = {"aggregationTemporality": 1, "dataPoints": points}
    told = decode(exponentialHistogram=data)
    assert (told.accepted, told.rejected) == (accepted, 1 - accepted)


@pytest.mark.parametrize("kind", ["sum", "histogram", "exponentialHistogram"])
def test_unspecified_temporality_rejects_the_points(kind: str) -> None:
    told = decode(**{kind: {"dataPoints": [{"timeUnixNano": NOW}, {"timeUnixNano": NOW}]}})
    assert (told.accepted, told.rejected) == (0, 2)
    assert [p.code for p in told.problems] == ["unspecified_temporality"]


def test_a_number_without_value_needs_the_flag() -> None:
    points = [{"timeUnixNano": NOW}, {"timeUnixNano": NOW, "flags": 1}]
    told = decode(gauge={"dataPoints": points})
    assert (told.accepted, told.rejected) == (1, 1)
    assert [p.code for p in told.problems] == ["point_without_value"]
    assert told.tables["metric_points"]["flags"].to_pylist() == [1]


def test_a_threshold_below_zero_of_nothing_keeps_its_sign() -> None:
    point = {"timeUnixNano": NOW, "count": 1, "zeroThreshold": -0.0}
    tables = decode(
        exponentialHistogram={"aggregationTemporality": 2, "dataPoints": [point]}
    ).tables
    for again in (
        otlp.decode(Signal.METRICS, otlp.encode(Signal.METRICS, tables)),
        otlp.decode_json(Signal.METRICS, otlp.encode_json(Signal.METRICS, tables)),
    ):
        assert repr(again.tables["metric_points"]["zero_threshold"].to_pylist()) == "[-0.0]"
