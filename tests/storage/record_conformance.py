"""What `TraceReader.find_logs` and `metric_points` promise, part of the suite of every engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

from longpole.formats import otlp
from longpole.formats.rows import telemetry_of_logs
from longpole.model.log import LogRecord
from longpole.model.query import LogQuery, MetricQuery
from longpole.model.signals import Signal
from longpole.model.span import Resource
from longpole.model.telemetry import Telemetry
from longpole.model.timerange import TimeRange
from longpole.storage.ports import Store
from tests.storage.span_examples import HIGH, NOON, SECOND, submit

Disturb = Callable[[], Store]


def record(number: int, body: Any, service: str = "shop", **fields: Any) -> LogRecord:
    """A record so many seconds after noon."""
    values: dict[str, Any] = {
        "time_unix_nano": NOON + number * SECOND, "observed_time_unix_nano": 1, "trace_id": 0,
        "span_id": 0, "severity_number": 9, "severity_text": "INFO",
        "resource": Resource({"service.name": service}), "service_name": service,
    }  # fmt: skip
    return LogRecord(**(values | fields), body=body)


def measurements(*depths: int, first: int = 0, service: str = "queue") -> Telemetry:
    """One gauge point a second, and one histogram point at the first."""
    request = ExportMetricsServiceRequest()
    block = request.resource_metrics.add()
    named = block.resource.attributes.add(key="service.name")
    named.value.string_value = service
    metrics = block.scope_metrics.add().metrics
    gauge = metrics.add(name="queue.depth", unit="1").gauge
    for place, depth in enumerate(depths):
        time = NOON + (first + place) * SECOND
        point = gauge.data_points.add(time_unix_nano=time, as_int=depth)
        lane = point.attributes.add(key="lane")
        lane.value.int_value = 7
    histogram = metrics.add(name="wait", unit="ms").histogram
    histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
    histogram.data_points.add(
        time_unix_nano=NOON + first * SECOND, start_time_unix_nano=NOON, count=3, sum=9.5,
        explicit_bounds=[1, 5], bucket_counts=[1, 1, 1],
    )  # fmt: skip
    return otlp.decode(Signal.METRICS, request.SerializeToString())


def _steps(store: Store, step_ns: int, **asked: Any) -> list[tuple[int, int, str, int]]:
    rows = store.log_counts(LogQuery(**asked), step_ns).to_pylist()
    return [tuple(row.values()) for row in rows]


def bodies(store: Store, **asked: Any) -> list[str | None]:
    found: list[str | None] = store.find_logs(LogQuery(**asked)).logs["body"].to_pylist()
    return found


class RecordConformance:
    """Takes the fixtures of `StoreConformance`."""

    def test_records_of_nothing_are_empty(self, store: Store, disturb: Disturb) -> None:
        store = disturb()
        answer = store.find_logs(LogQuery(text="x", trace_ids=(1,)))
        assert (answer.logs.num_rows, answer.is_truncated) == (0, False)
        found = store.metric_points(MetricQuery(names=("x",)))
        assert (found.points.num_rows, found.series.num_rows) == (0, 0)

    def test_found_logs_say_what_was_sent(self, store: Store, disturb: Disturb) -> None:
        attributes = {"text": "naïve\0", "n": -(1 << 63), "share": 0.5, "bad": float("nan"),
                      "yes": True, "list": ["a", 1], "": "empty key"}  # fmt: skip
        resource = Resource({"service.name": "shop", "port": 80})
        rich = record(
            1, "Pool EXHAUSTED", trace_id=HIGH | 1, span_id=3, severity_number=17,
            severity_text="ERROR", event_name="pool", attributes=attributes, resource=resource,
        )  # fmt: skip
        submit(store, telemetry_of_logs([rich]))
        store = disturb()
        unseen = record(0, {"a": [1]}, time_unix_nano=0, observed_time_unix_nano=NOON + 7)
        submit(store, telemetry_of_logs([unseen, record(2, None)]))
        answer = store.find_logs(LogQuery())
        last, first, odd = answer.logs.to_pylist()
        assert (last["body"], last["time_unix_nano"]) == (None, NOON + 2 * SECOND)
        shown = {name: json.loads(first.pop(name)) for name in ("attributes", "resource")}
        assert shown["resource"] == {"service.name": "shop", "port": 80}
        held = shown["attributes"]
        assert held.pop("list")["arrayValue"]["values"][0] == {"stringValue": "a"}
        assert held == {key: attributes[key] for key in held} | {"bad": "nan"}
        assert set(held) == set(attributes) - {"list"}
        assert first.pop("resource_id") > 0
        assert first == {
            "time_unix_nano": NOON + SECOND, "trace_hi": HIGH >> 64, "trace_lo": 1, "span_id": 3,
            "severity_number": 17, "severity_text": "ERROR", "body": "Pool EXHAUSTED",
            "service_name": "shop", "event_name": "pool",
        }  # fmt: skip
        assert odd["time_unix_nano"] == NOON + 7
        assert "kvlistValue" in odd["body"]
        assert not answer.is_truncated

    def test_logs_come_newest_first_up_to_the_limit(self, store: Store, disturb: Disturb) -> None:
        submit(store, telemetry_of_logs([record(n, f"b{n}") for n in (3, 1, 2)]))
        store = disturb()
        submit(store, telemetry_of_logs([record(2, "b2 again"), record(0, "b0"), record(9, "b9")]))
        assert bodies(store) == ["b9", "b3", "b2 again", "b2", "b1", "b0"]
        answer = store.find_logs(LogQuery(limit=2))
        assert (answer.logs["body"].to_pylist(), answer.is_truncated) == (["b9", "b3"], True)
        assert not store.find_logs(LogQuery(limit=6)).is_truncated
        assert len(bodies(store, limit=None)) == 6

    def test_log_counts_add_up_by_step_and_severity(self, store: Store, disturb: Disturb) -> None:
        submit(store, telemetry_of_logs([record(n, f"b{n}") for n in (0, 1, 7)]))
        store = disturb()
        odd = record(8, "b8", severity_number=0, severity_text="Warning" * 9)
        old = record(0, "b", time_unix_nano=-1)
        submit(store, telemetry_of_logs([record(2, "b2", severity_number=17), odd, old]))
        step = 5 * SECOND
        assert _steps(store, step) == [
            (-step, 9, "", 1), (NOON, 9, "", 2), (NOON, 17, "", 1),
            (NOON + step, 0, ("Warning" * 9)[:20], 1), (NOON + step, 9, "", 1),
        ]  # fmt: skip
        assert _steps(store, step, least_severity=17) == [(NOON, 17, "", 1)]
        assert _steps(store, step, limit=1, time=TimeRange(NOON, NOON + SECOND)) == [
            (NOON, 9, "", 1)
        ]
        assert _steps(store, step, text="nothing") == []

    def test_each_condition_on_logs_finds_its_records(self, store: Store, disturb: Disturb) -> None:
        kept = telemetry_of_logs(
            [
                record(1, "One Straße", trace_id=HIGH | 1, span_id=5),
                record(2, "two 100%_", service="cart", trace_id=HIGH | 2, severity_number=17),
            ]
        )
        submit(store, kept)
        store = disturb()
        unseen = record(3, "late", time_unix_nano=0, observed_time_unix_nano=NOON + 3 * SECOND)
        submit(store, telemetry_of_logs([unseen]))
        store = disturb()
        cart = kept.tables["resources"]["resource_id"].to_pylist()[1]
        start = NOON + 2 * SECOND
        wrong = {
            str(asked): found
            for asked, wanted in (
                ({"time": TimeRange(start, start + 1)}, ["two 100%_"]),
                ({"time": TimeRange(start + 1)}, ["late"]),
                ({"time": TimeRange(0, start)}, ["One Straße"]),
                ({"services": ("cart", "nobody")}, ["two 100%_"]),
                ({"least_severity": 10}, ["two 100%_"]),
                ({"least_severity": 9}, ["late", "two 100%_", "One Straße"]),
                ({"text": "ONE STR"}, ["One Straße"]),
                ({"text": "%_"}, ["two 100%_"]),
                ({"text": "o_e"}, []),
                ({"trace_ids": (HIGH | 1, 77)}, ["One Straße"]),
                ({"trace_ids": (1,)}, []),
                ({"span_ids": (5,)}, ["One Straße"]),
                ({"resource_ids": (cart,)}, ["two 100%_"]),
                ({"services": ("cart",), "least_severity": 18}, []),
            )
            if (found := bodies(store, **asked)) != wanted
        }
        assert not wrong

    def test_metric_points_come_with_their_series(self, store: Store, disturb: Disturb) -> None:
        submit(store, measurements(4, 5))
        store = disturb()
        submit(store, measurements(6, first=2))
        found = store.metric_points(MetricQuery())
        depth, wait = found.series.to_pylist()
        assert json.loads(depth["attributes"]) == {"lane": 7}
        assert json.loads(depth["resource"]) == {"service.name": "queue"}
        assert (depth["name"], depth["unit"], depth["type"]) == ("queue.depth", "1", "gauge")
        assert (wait["name"], wait["type"], wait["temporality"]) == ("wait", "histogram", 2)
        assert (wait["service_name"], json.loads(wait["attributes"])) == ("queue", {})
        points = found.points.to_pylist()
        assert [(p["series"], p["time_unix_nano"], p["value"]) for p in points] == [
            *((0, NOON + n * SECOND, 4.0 + n) for n in range(3)),
            (1, NOON, None),
            (1, NOON + 2 * SECOND, None),
        ]
        assert (points[3]["count"], points[3]["sum"], points[3]["start_unix_nano"]) == (
            3, 9.5, NOON,
        )  # fmt: skip
        assert (points[3]["explicit_bounds"], points[3]["bucket_counts"]) == ([1, 5], [1, 1, 1])

    def test_metric_points_follow_the_query(self, store: Store, disturb: Disturb) -> None:
        submit(store, measurements(4, 5))
        store = disturb()
        other = measurements(6, first=2, service="cart")
        submit(store, other)

        def values(**asked: Any) -> list[tuple[str, float]]:
            found = store.metric_points(MetricQuery(**asked))
            names = found.series["service_name"].to_pylist()
            assert len(names) == len({p["series"] for p in found.points.to_pylist()})
            return [(names[p["series"]], p["value"]) for p in found.points.to_pylist()]

        assert values(names=("queue.depth",)) == [("cart", 6), ("queue", 4), ("queue", 5)]
        assert values(names=("queue.depth",), services=("cart",)) == [("cart", 6)]
        start = NOON + SECOND
        assert values(time=TimeRange(start, start + 1)) == [("queue", 5)]
        (cart,) = other.tables["resources"]["resource_id"].to_pylist()
        assert values(resource_ids=(cart,)) == [("cart", 6), ("cart", None)]
        assert values(services=("nobody",)) == []
