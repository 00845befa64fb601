"""Answers decode as strictly as Grafana's Jaeger data source decodes them into Go structs
(grafana-jaeger-datasource, pkg/jaeger/types): wrong types fail there, so they fail here."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import orjson
import pytest

from longpole.analyzer.promql.memory_catalog import MemoryCatalog
from longpole.analyzer.promql.series import Series, labels_of
from longpole.formats import jaeger
from longpole.grafana.jaeger.app import jaeger_app
from tests.grafana.dialect import Dialect
from tests.grafana.shop_spans import FAILED, FINE, NOON, SPANS

US = 1_000
START, END = NOON // US, NOON // US + 10**7
WINDOW = {"start": START, "end": END, "lookback": "1h"}
MINUTES = np.arange(NOON // 10**6 - 3_600_000, NOON // 10**6 + 60_000, 60_000)
CALLS = MemoryCatalog(
    [
        Series(
            labels_of({
                "__name__": f"traces_span_metrics_{name}", "service_name": "cart",
                "span_name": "op 2", "span_kind": "SPAN_KIND_SERVER", "status_code": code, **more,
            }),
            MINUTES, (np.arange(MINUTES.size) * each).astype(np.float64),
        )
        for name, code, more, each in (
            ("calls_total", "STATUS_CODE_UNSET", {}, 45.0),
            ("calls_total", "STATUS_CODE_ERROR", {}, 15.0),
            ("duration_milliseconds_bucket", "STATUS_CODE_UNSET", {"le": "10"}, 30.0),
            ("duration_milliseconds_bucket", "STATUS_CODE_UNSET", {"le": "+Inf"}, 30.0),
        )
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def grafana() -> Dialect:
    return Dialect(lambda store, clock: jaeger_app(store, CALLS, clock), SPANS)


def data(dialect: Dialect, path: str, **asked: Any) -> Any:
    answer = dialect.get(f"/api/{path}", **asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    document = orjson.loads(answer.content)
    assert document["errors"] is None
    assert set(document) == {"data", "total", "limit", "offset", "errors"}
    return document["data"]


def search(dialect: Dialect, **asked: Any) -> list[str]:
    found = data(dialect, "traces", **{"service": "cart", **WINDOW, **asked})
    for trace in found:
        check_trace(trace)
    return [trace["traceID"][-1] for trace in found]


def check_trace(trace: Any) -> None:
    """The plugin's `TraceResponse`; it fails on a trace without spans."""
    assert set(trace) == {"traceID", "spans", "processes", "warnings"}
    assert trace["spans"]
    for process in trace["processes"].values():
        assert isinstance(process["serviceName"], str)
        check_tags(process["tags"])
    for span in trace["spans"]:
        for key in ("traceID", "spanID", "processID", "operationName"):
            assert isinstance(span[key], str)
        for key in ("startTime", "duration", "flags"):
            assert type(span[key]) is int
        assert span["processID"] in trace["processes"]
        assert span["warnings"] is None
        for reference in span["references"]:
            assert set(reference) == {"refType", "traceID", "spanID"}
        check_tags(span["tags"])
        for log in span["logs"]:
            assert type(log["timestamp"]) is int
            check_tags(log["fields"])


def check_tags(tags: Any) -> None:
    kinds: dict[str, Any] = {
        "string": str,
        "bool": bool,
        "int64": int,
        "float64": (int, float, str),
        "binary": str,
    }
    for tag in tags:
        assert set(tag) == {"key", "type", "value"}
        assert isinstance(tag["value"], kinds[tag["type"]])


def test_save_and_test_lists_services(grafana: Dialect) -> None:
    assert data(grafana, "services") == ["cart", "gateway", "payment", "stock"]


def test_operations_of_a_service_are_listed(grafana: Dialect) -> None:
    assert data(grafana, "services/gateway/operations") == ["GET /", "GET /cart"]
    assert data(grafana, "operations", service="stock") == [{"name": "op 4", "spanKind": ""}]
    assert data(grafana, "services/a%2Fb/operations") == []


def test_a_trace_comes_whole_under_every_form_of_its_id(grafana: Dialect) -> None:
    for text in (f"{FAILED:032x}", f"{FAILED:x}", f"{FAILED:032X}"):
        (trace,) = data(grafana, f"traces/{text}", start=START // 1000, end=END // 1000)
        check_trace(trace)
        assert len(trace["spans"]) == 4
    again = jaeger.decode(orjson.dumps({"data": [trace]}))
    assert again.tables["spans"].num_rows == 4
    assert not again.problems


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["2", "1"]),
        ({"limit": 1}, ["2"]),
        ({"operation": "op 2"}, ["2", "1"]),
        ({"operation": "op 9"}, []),
        ({"service": "no"}, []),
        ({"tags": '{"db.system":"redis"}'}, ["2"]),
        ({"tags": '{"error":"true"}'}, ["1"]),
        ({"tags": '{"error":"false"}'}, ["2"]),
        ({"tags": '{"span.kind":"client","db.system":"postgresql"}'}, ["1"]),
        ({"tags": '{"region":"cart-eu"}', "minDuration": "97.9ms"}, ["2", "1"]),
        ({"tag": "db.system:redis"}, ["2"]),
        ({"service": "stock", "tags": '{"cached":"true"}'}, ["1"]),
        ({"minDuration": "98ms"}, ["2", "1"]),
        ({"minDuration": "98001us"}, []),
        ({"maxDuration": "0.098s"}, ["2", "1"]),
        ({"maxDuration": "97ms"}, []),
        ({"start": START + 2 * 10**6}, ["2"]),
        ({"end": START + 1_002_000}, ["1"]),
    ],
)
def test_searches_find_what_they_ask_for(
    grafana: Dialect, asked: dict[str, Any], found: list[str]
) -> None:
    assert search(grafana, **asked) == found


def test_traces_are_fetched_by_many_ids(grafana: Dialect) -> None:
    ids = [f"{FINE:032x}", f"{FAILED:032x}", "1" * 32]
    found = data(grafana, "traces", traceID=ids)
    assert [trace["traceID"] for trace in found] == ids[:2]


def test_the_dependency_graph_counts_calls(grafana: Dialect) -> None:
    links = data(grafana, "dependencies", endTs=END // 1000, lookback=3_600_000)
    assert all(set(link) == {"parent", "child", "callCount"} for link in links)
    found = {(link["parent"], link["child"]): link["callCount"] for link in links}
    assert found[("gateway", "cart")] == 2
    assert all(type(count) is int for count in found.values())


@pytest.mark.parametrize(
    ("kind", "more", "name", "value"),
    [
        ("calls", {}, "service_call_rate", 1.0),
        ("errors", {"groupByOperation": "true"}, "service_operation_error_rate", 0.25),
        ("latencies", {"quantile": "0.5"}, "service_latencies", 5.0),
    ],
)
def test_the_monitor_tab_gets_its_metrics(
    grafana: Dialect, kind: str, more: dict[str, Any], name: str, value: float
) -> None:
    answer = grafana.get(
        f"/api/metrics/{kind}", service="cart", endTs=NOON // 10**6, lookback=600_000,
        step=60_000, ratePer=600_000, spanKind="server", **more,
    )  # fmt: skip
    family = orjson.loads(answer.content)
    assert (family["name"], family["type"]) == (name, "GAUGE")
    (metric,) = family["metrics"]
    names = [label["name"] for label in metric["labels"]]
    assert names == (["service_name", "operation"] if more.get("groupByOperation") else names[:1])
    assert len(metric["metricPoints"]) == 11
    for point in metric["metricPoints"]:
        assert point["gaugeValue"]["doubleValue"] == pytest.approx(value)
        assert point["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("traces", 400, "parameter 'service' is required"),
        ("traces?service=a&limit=0", 400, "'limit' is from 1 to 1,500"),
        ("traces?service=a&limit=x", 400, "'limit'"),
        ("traces?service=a&start=1e3", 400, "'start'"),
        ("traces?service=a&minDuration=5", 400, "'minDuration'"),
        ("traces?service=a&tags=%7B", 400, "malformed 'tags'"),
        ("traces?service=a&tags=%7B%22a%22:1%7D", 400, "malformed 'tags'"),
        ("traces?service=a&tag=b", 400, "malformed 'tag'"),
        ("traces/xyz", 400, "'xyz' is not a trace id: expected 32 hexadecimal digits"),
        ("traces/" + "0" * 31 + "9", 404, "trace not found"),
        ("traces/" + "1" * 400, 400, "trace id"),
        ("dependencies?endTs=-1", 400, "positive milliseconds"),
        ("metrics/calls", 400, "'service'"),
        ("metrics/calls?service=a&step=1", 400, "larger 'step'"),
        ("metrics/latencies?service=a&quantile=2", 400, "'quantile'"),
        ("metrics/nothing?service=a", 404, "no such metric"),
    ],
)
def test_errors_come_in_jaegers_envelope(
    grafana: Dialect, path: str, status: int, words: str
) -> None:
    address, _, query = path.partition("?")
    answer = grafana.get(f"/api/{address}", **dict[str, Any](parse_qsl(query)))
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"]) == (status, status)
    assert words in error["msg"]
    assert answer.json()["data"] is None
