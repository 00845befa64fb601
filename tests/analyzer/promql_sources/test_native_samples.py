"""Exponential histograms that were sent are series of native histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from longpole.analyzer.promql.evaluation import Settings, Steps, evaluate
from longpole.analyzer.promql.histograms import Histogram
from longpole.analyzer.promql.query import parse
from longpole.analyzer.promql.series import is_stale
from longpole.analyzer.promql.vectors import Vector
from longpole.analyzer.promql_sources.stored_series import JoinedCatalog
from tests.analyzer.promql_sources import otlp_examples as examples
from tests.analyzer.promql_sources.test_stored_metrics import START, START_MS, catalog_of, named

STEP_MS = examples.STEP // 1_000_000


def sent(temporality: Any, points: Sequence[dict[str, Any]], flags: int = 0) -> Any:
    """One exponential histogram, whose last point has these flags."""
    made, metrics = examples.request({"service.name": "shop"})
    data = metrics.add(name="took", unit="s").exponential_histogram
    data.aggregation_temporality = temporality
    for place, told in enumerate(points):
        at = START + (place + 1) * examples.STEP
        begin = START if temporality == examples.CUMULATIVE else at - examples.STEP
        point = data.data_points.add(
            time_unix_nano=at, start_time_unix_nano=begin, scale=told.get("scale", 1),
            count=told.get("count", 0), sum=told.get("sum", 0.0),
            zero_count=told.get("zero_count", 0),
            flags=flags if place == len(points) - 1 else 0,
        )  # fmt: skip
        for side in ("positive", "negative"):
            offset, counts = told.get(side, (0, []))
            getattr(point, side).offset = offset
            getattr(point, side).bucket_counts.extend(counts)
    return made


def natives(catalog: JoinedCatalog) -> list[Histogram]:
    (found,) = catalog.select([named("took_seconds")], START_MS - 1, START_MS + 10**7, 10**6)
    assert found.histograms is not None
    return [one for one in found.histograms.tolist() if one is not None]


def numbers(catalog: JoinedCatalog, query: str, at_ms: int) -> list[float]:
    found = evaluate(parse(query), catalog, Steps(at_ms, at_ms), Settings(), lambda: 0.0)
    assert isinstance(found, Vector)
    return [float(value) for value in found.values[:, 0]]


def test_buckets_have_the_indices_of_prometheus() -> None:
    point = {"count": 10, "sum": 4.5, "zero_count": 1, "positive": (-2, [3, 0, 4]),
             "negative": (5, [2])}  # fmt: skip
    (held,) = natives(catalog_of(sent(examples.CUMULATIVE, [point])))
    assert (held.schema, held.zero_threshold, held.zero_count) == (1, 1e-128, 1)
    assert (held.count, held.total) == (10, 4.5)
    assert (held.positive.at.tolist(), held.positive.counts.tolist()) == ([-1, 1], [3, 4])
    assert (held.negative.at.tolist(), held.negative.counts.tolist()) == ([6], [2])


def test_a_finer_scale_than_8_is_made_coarser_and_one_below_minus_4_is_left_out() -> None:
    fine = {"scale": 10, "count": 12, "positive": (-5, [1, 2, 3, 1, 5])}
    coarse = {"scale": -5, "count": 1, "positive": (0, [1])}
    catalog = catalog_of(sent(examples.CUMULATIVE, [fine, coarse]))
    (held,) = natives(catalog)
    assert held.schema == 8
    # Four buckets make one: -5 | -4 -3 -2 -1, as those of OTLP are counted from 0.
    assert (held.positive.at.tolist(), held.positive.counts.tolist()) == ([-1, 0], [1, 11])
    # As classic ones both are there.
    (classic,) = catalog.select([named("took_seconds_count")], START_MS, START_MS + 10**7, 10**6)
    assert classic.values.tolist() == [12, 1]


def test_deltas_are_added_up_at_the_coarsest_scale_so_far() -> None:
    points = [
        {"scale": 2, "count": 4, "sum": 8.0, "positive": (1, [1, 3])},
        {"scale": 1, "count": 2, "sum": 2.0, "zero_count": 1, "positive": (0, [1])},
        {"scale": 3, "count": 1, "sum": 1.0, "positive": (3, [1])},
    ]
    held = natives(catalog_of(sent(examples.DELTA, points)))
    assert [one.count for one in held] == [0, 4, 6, 7]
    assert [one.total for one in held] == [0, 8, 10, 11]
    assert [one.schema for one in held] == [2, 2, 1, 1]
    assert held[-1].positive.counts.tolist() == [3, 3]
    assert held[-1].zero_count == 1


def test_no_recorded_value_ends_the_series() -> None:
    point = {"count": 1, "positive": (0, [1])}
    catalog = catalog_of(sent(examples.CUMULATIVE, [point, point, point], flags=1))
    (found,) = catalog.select([named("took_seconds")], START_MS, START_MS + 10**7, 10**6)
    assert is_stale(found.values).tolist() == [False, False, True]
    assert numbers(catalog, "histogram_count(took_seconds)", START_MS + 2 * STEP_MS) == [1]
    assert numbers(catalog, "histogram_count(took_seconds)", START_MS + 3 * STEP_MS) == []


@pytest.mark.parametrize("temporality", [examples.DELTA, examples.CUMULATIVE])
def test_quantiles_are_those_of_the_values_sent(temporality: Any) -> None:
    seconds = np.exp(np.random.default_rng(1).normal(-1, 1, 5_000))
    index = np.ceil(np.log2(seconds) * 2**5).astype(int) - 1
    low, high = int(index.min()), int(index.max())
    points, before = [], np.zeros(high - low + 1, int)
    for part in np.array_split(index, 20):
        counts = np.bincount(part - low, minlength=high - low + 1)
        before += counts
        told = before if temporality == examples.CUMULATIVE else counts
        points.append({"scale": 5, "count": int(told.sum()), "positive": (low, told.tolist())})
    catalog = catalog_of(sent(temporality, points))
    at = START_MS + 20 * STEP_MS
    for quantile in (0.1, 0.5, 0.9, 0.99):
        query = f"histogram_quantile({quantile}, last_over_time(took_seconds[10m]))"
        (found,) = numbers(catalog, query, at)
        assert found == pytest.approx(np.quantile(seconds, quantile), rel=0.02)
    assert numbers(catalog, "histogram_count(took_seconds)", at) == [5_000]


def test_both_kinds_of_series_are_listed() -> None:
    catalog = catalog_of(sent(examples.CUMULATIVE, [{"count": 1, "positive": (0, [1])}]))
    names = catalog.label_values("__name__", [], START_MS, START_MS + 10**7, 0)
    assert {"took_seconds", "took_seconds_bucket", "took_seconds_count"} <= set(names)


def test_exemplars_are_found_by_the_name_of_the_native_histogram() -> None:
    made = sent(examples.CUMULATIVE, [{"count": 1, "positive": (0, [1])}])
    (metric,) = made.resource_metrics[0].scope_metrics[0].metrics
    at = START + examples.STEP
    exemplar = metric.exponential_histogram.data_points[0].exemplars.add()
    exemplar.time_unix_nano, exemplar.as_double, exemplar.trace_id = at, 1.5, b"\x01" * 16
    (found,) = catalog_of(made).exemplars([named("took_seconds")], START_MS, START_MS + 10**7)
    assert dict(found.labels)["__name__"] == "took_seconds"
    assert [(one.value, dict(one.labels)["trace_id"]) for one in found.exemplars] == [
        (1.5, "01" * 16)
    ]
