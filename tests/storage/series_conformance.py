"""What `MetricReader` promises, part of the suite of every engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

from longpole.analyzer.promql.expressions import Matcher, MatchOp
from longpole.analyzer.promql.selectors import NAME
from longpole.analyzer.promql_sources.stored_metrics import StoredMetrics
from longpole.analyzer.promql_sources.stored_series import JoinedCatalog
from longpole.formats import otlp
from longpole.model.signals import Signal
from longpole.model.telemetry import Telemetry
from longpole.model.timerange import TimeRange
from longpole.storage.answers import KNOWN_SERIES, POINT_SHAPES
from longpole.storage.ports import Store
from tests.analyzer.promql_sources.otlp_examples import CUMULATIVE, DELTA
from tests.analyzer.promql_sources.test_native_samples import sent
from tests.analyzer.promql_sources.test_stored_metrics import START_MS
from tests.storage.record_conformance import measurements
from tests.storage.span_examples import NOON, SECOND, submit

Disturb = Callable[[], Store]
EVERYTHING = TimeRange()


class SeriesConformance:
    """Takes the fixtures of `StoreConformance`."""

    def test_series_of_nothing_are_empty(self, store: Store, disturb: Disturb) -> None:
        store = disturb()
        found = store.metric_series(EVERYTHING, True)
        assert (found.series.schema, found.shapes.schema) == (KNOWN_SERIES, POINT_SHAPES)
        assert (found.series.num_rows, found.shapes.num_rows) == (0, 0)
        assert store.series_points([7], EVERYTHING, ["value"], 10).num_rows == 0
        assert store.resource_times(EVERYTHING, SECOND).num_rows == 0

    def test_series_come_once_with_the_shapes_of_their_points(
        self, store: Store, disturb: Disturb
    ) -> None:
        submit(store, measurements(4, 5))
        store = disturb()
        submit(store, measurements(6, first=2))
        found = store.metric_series(EVERYTHING, True)
        by_name = {row["name"]: row for row in found.series.to_pylist()}
        depth, wait = by_name["queue.depth"], by_name["wait"]
        assert found.series.num_rows == 2
        assert json.loads(depth["attributes"]) == {"lane": 7}
        assert json.loads(depth["resource"]) == {"service.name": "queue"}
        assert (wait["type"], wait["temporality"], wait["unit"]) == ("histogram", 2, "ms")
        shapes = {
            (row["series_id"], tuple(row["explicit_bounds"] or ()), row["has_sum"])
            for row in found.shapes.to_pylist()
        }
        assert shapes == {(depth["series_id"], (), False), (wait["series_id"], (1.0, 5.0), True)}

    def test_exact_series_have_a_point_in_the_time(self, store: Store, disturb: Disturb) -> None:
        submit(store, measurements(4, 5))
        submit(store, measurements(9, first=60, service="cart"))
        store = disturb()
        late = TimeRange(NOON + 50 * SECOND, NOON + 70 * SECOND)
        services = store.metric_series(late, True).series["service_name"].to_pylist()
        assert services == ["cart", "cart"]
        near = store.metric_series(late, False).series["service_name"].to_pylist()
        assert set(near) >= {"cart"}
        never = TimeRange(NOON + 1000 * SECOND, NOON + 2000 * SECOND)
        assert store.metric_series(never, True).series.num_rows == 0

    def test_points_of_series_come_by_place_and_time(self, store: Store, disturb: Disturb) -> None:
        submit(store, measurements(6, 7, first=2))
        store = disturb()
        submit(store, measurements(4, 5))
        series = store.metric_series(EVERYTHING, True).series.to_pylist()
        wait, depth = (
            next(row["series_id"] for row in series if row["name"] == name)
            for name in ("wait", "queue.depth")
        )
        found = store.series_points([wait, depth, 77], EVERYTHING, ["value", "count"], 10)
        rows = [tuple(row.values()) for row in found.to_pylist()]
        assert rows == [
            (0, NOON, None, 3), (0, NOON + 2 * SECOND, None, 3),
            *((1, NOON + n * SECOND, 4.0 + n, None) for n in range(4)),
        ]  # fmt: skip
        part = TimeRange(NOON + SECOND, NOON + 3 * SECOND)
        assert store.series_points([depth], part, ["value"], 10)["value"].to_pylist() == [5, 6]
        assert store.series_points([depth], EVERYTHING, ["value"], 2).num_rows == 3
        assert store.series_points([], EVERYTHING, ["value"], 2).num_rows == 0

    def test_numbers_come_as_columns_of_what_points_say(
        self, store: Store, disturb: Disturb
    ) -> None:
        submit(store, measurements(6, 7, first=2))
        store = disturb()
        submit(store, measurements(4, 5))
        series = store.metric_series(EVERYTHING, True).series.to_pylist()
        depth = next(row["series_id"] for row in series if row["name"] == "queue.depth")
        # The third question may read more than it asks for, to be quicker the next time.
        for _ in range(4):
            found = store.number_points([depth, 77], EVERYTHING, 10)
            assert [times.tolist() for times in found.times] == [
                [NOON + n * SECOND for n in range(4)], [],
            ]  # fmt: skip
            assert [values.tolist() for values in found.values] == [[4.0, 5.0, 6.0, 7.0], []]
            assert (list(found.is_stale), found.count) == ([None, None], 4)
        part = TimeRange(NOON + SECOND, NOON + 3 * SECOND)
        assert store.number_points([depth], part, 10).values[0].tolist() == [5, 6]
        assert store.number_points([depth], EVERYTHING, 3).count > 3
        assert store.number_points([], EVERYTHING, 3).count == 0

    def test_resource_times_are_the_last_of_each_step(self, store: Store, disturb: Disturb) -> None:
        submit(store, measurements(4, 5, 6))
        store = disturb()
        submit(store, measurements(7, first=10))
        times = store.resource_times(EVERYTHING, 5 * SECOND)["time_unix_nano"].to_pylist()
        assert times == [NOON + 2 * SECOND, NOON + 10 * SECOND]

    def test_histograms_come_as_columns_of_counts_sums_and_bounds(
        self, store: Store, disturb: Disturb
    ) -> None:
        submit(store, histograms((1.0, 5.0), {2: (2, 3, 4), 0: (1, 0, 0)}))
        store = disturb()
        submit(store, histograms((5.0,), {1: (2, 2)}, total=None))
        submit(store, measurements(4))
        (wait,) = (
            row["series_id"]
            for row in store.metric_series(EVERYTHING, True).series.to_pylist()
            if row["name"] == "delay"
        )
        # The third question may read more than it asks for, to be quicker the next time.
        for _ in range(4):
            found = store.histogram_points(
                [77, wait], EVERYTHING, ["count", "sum", 1.0, 5.0, 9.0], 20
            )
            shown = [
                [(at - NOON) // SECOND for at in one.times[1].tolist()] for one in found
            ], [one.values[1].tolist() for one in found]  # fmt: skip
            assert shown == (
                [[0, 1, 2], [0, 2], [0, 2], [0, 1, 2], []],
                [[1, 4, 9], [7.5, 7.5], [1, 2], [1, 2, 5], []],
            )
            assert all(one.times[0].size == 0 for one in found)
        part = TimeRange(NOON + SECOND, NOON + 3 * SECOND)
        (counts,) = store.histogram_points([wait], part, ["count"], 20)
        assert (counts.values[0].tolist(), counts.count) == ([4, 9], 2)
        assert store.histogram_points([wait], EVERYTHING, ["count", 5.0], 5) == ()
        assert store.histogram_points([], EVERYTHING, ["count"], 5)[0].count == 0

    @pytest.mark.parametrize(
        ("temporality", "counts"),
        [
            (CUMULATIVE, [4, 6, 7]),
            pytest.param(DELTA, [0, 4, 10, 17], marks=pytest.mark.full),
        ],
    )
    def test_exponential_histograms_are_native_ones_wherever_they_lie(
        self, store: Store, disturb: Disturb, temporality: int, counts: Sequence[int]
    ) -> None:
        points = [
            {"scale": 2, "count": 4, "sum": 8.0, "positive": (1, [1, 3])},
            {"scale": 2, "count": 6, "sum": 9.0, "positive": (1, [1, 4]), "zero_count": 1},
            {"scale": 1, "count": 7, "sum": 10.0, "positive": (0, [5]), "negative": (3, [0, 2])},
        ]
        # Parts of a series, in a segment and beside it.
        submit(store, decoded(sent(temporality, points[:2])))
        store = disturb()
        last_one = sent(temporality, points)
        metric = last_one.resource_metrics[0].scope_metrics[0].metrics[0]
        del metric.exponential_histogram.data_points[:2]
        submit(store, decoded(last_one))
        catalog = JoinedCatalog([StoredMetrics(store)])
        name = Matcher(NAME, MatchOp.EQUAL, "took_seconds")
        (found,) = catalog.select([name], START_MS - 1, START_MS + 10**7, 10**6)
        assert found.histograms is not None
        held = found.histograms.tolist()
        assert [one.count for one in held] == counts
        last = held[-1]
        assert last.schema == 1
        assert last.negative.at.tolist() == [5]
        assert (
            last.positive.counts.sum() + last.negative.counts.sum() + last.zero_count
            == (counts[-1])
        )


def histograms(
    bounds: Sequence[float], points: Mapping[int, Sequence[int]], total: float | None = 7.5
) -> Telemetry:
    """A histogram with a point for each second after noon, the counts of its buckets."""
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="delay", unit="s")
    metric.histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
    for second, counts in points.items():
        point = metric.histogram.data_points.add(
            time_unix_nano=NOON + second * SECOND, count=sum(counts),
            explicit_bounds=bounds, bucket_counts=counts,
        )  # fmt: skip
        if total is not None:
            point.sum = total
    return decoded(request)


def decoded(request: ExportMetricsServiceRequest) -> Telemetry:
    """As a receiver has it."""
    return otlp.decode(Signal.METRICS, request.SerializeToString())
