"""Real OpenTelemetry exporters deliver telemetry that reads back equal."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from tests.flow.python_client import PythonClient, canonical
from tests.flow.server_process import ServerProcess, eventually, running
from tests.flow.tools import requires

NODE = Path(__file__).parent.parent / "node"
REQUESTS: dict[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running(tmp_path_factory.mktemp("data")) as process:
        yield process


def exported(server: ServerProcess, signal: str) -> Any:
    """Everything kept of a signal, as one OTLP request."""
    answer = httpx.get(
        f"http://{server.web}/api/v1/export",
        params={"signal": signal, "format": "otlp-protobuf"},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    request = REQUESTS[signal]()
    request.MergeFromString(answer.content)
    return request


def plain(value: AnyValue) -> Any:
    """An AnyValue as Python has it."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(v) for v in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: plain(pair.value) for pair in value.kvlist_value.values}
    return None if kind is None else getattr(value, kind)


def attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: plain(pair.value) for pair in pairs}


def records(server: ServerProcess, signal: str, service: str) -> list[tuple[Any, Any, Any]]:
    """(resource, scope, record) of one service; for metrics the record is the metric."""
    outer, inner, leaf = {
        "traces": ("resource_spans", "scope_spans", "spans"),
        "logs": ("resource_logs", "scope_logs", "log_records"),
        "metrics": ("resource_metrics", "scope_metrics", "metrics"),
    }[signal]
    return [
        (group.resource, scoped, record)
        for group in getattr(exported(server, signal), outer)
        if attributes(group.resource.attributes)["service.name"] == service
        for scoped in getattr(group, inner)
        for record in getattr(scoped, leaf)
    ]


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_what_the_python_sdk_sends_reads_back_equal(server: ServerProcess, transport: str) -> None:
    client = PythonClient(transport, server.grpc if transport == "grpc" else server.http)
    sent = client.send_everything()

    # What the SDK put on the wire, span by span, is what an export gives back.
    for signal in ("traces", "logs", "metrics"):
        kept = {
            (canonical(resource), scope.scope.name, scope.schema_url,
             canonical(record))
            for resource, scope, record in records(server, signal, client.service)
        }  # fmt: skip
        assert kept == sent[signal], signal


@pytest.mark.node
@pytest.mark.parametrize("protocol", ["grpc", "http", "proto"])
def test_what_the_node_exporters_send_reads_back_equal(
    server: ServerProcess, protocol: str
) -> None:
    requires("node", NODE / "node_modules")
    address = server.grpc if protocol == "grpc" else server.http
    run = subprocess.run(
        [shutil.which("node") or "node", "send.mjs", protocol, address],
        cwd=NODE, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    sent = json.loads(run.stdout)
    service = f"node-{protocol}"

    spans = {r.span_id.hex(): (res, sc, r) for res, sc, r in records(server, "traces", service)}
    assert set(spans) == {sent["root"]["span_id"], sent["child"]["span_id"]}
    resource, scope, root = spans[sent["root"]["span_id"]]
    assert root.trace_id.hex() == sent["trace_id"]
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (
        int(sent["root"]["start"]),
        int(sent["root"]["end"]),
    )
    assert (root.name, root.kind, root.parent_span_id) == ("POST /cart", 2, b"")
    assert attributes(resource.attributes) == {
        "service.name": service,
        "service.version": "1.2.3",
        "host.cpu.count": 8,
        "deployment.tags": ["blue", "canary"],
    }
    assert (scope.scope.name, scope.scope.version) == ("checkout-lib", "4.5.6")
    assert scope.schema_url == "https://opentelemetry.io/schemas/1.30.0"

    child = spans[sent["child"]["span_id"]][2]
    assert child.parent_span_id.hex() == sent["root"]["span_id"]
    assert (child.start_time_unix_nano, child.end_time_unix_nano) == (
        int(sent["child"]["start"]),
        int(sent["child"]["end"]),
    )
    kept = attributes(child.attributes)
    assert kept == sent["child"]["attributes"]
    assert isinstance(kept["http.response.status_code"], int)
    assert isinstance(kept["retry.ratio"], float)
    assert kept["cache.hit"] is False
    assert (child.status.code, child.status.message) == (2, "deadline exceeded")
    (event,) = child.events
    assert (event.time_unix_nano, event.name) == (1767323045300000007, "exception")
    assert attributes(event.attributes) == {
        "exception.type": "TimeoutError",
        "exception.escaped": True,
    }
    (link,) = child.links
    assert link.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert link.span_id.hex() == "b7ad6b7169203331"
    assert attributes(link.attributes) == {"link.reason": "retry of"}

    ((_, log_scope, log),) = records(server, "logs", service)
    assert log_scope.scope.name == "cart-log"
    assert log.time_unix_nano == 1767323045555000111
    assert log.observed_time_unix_nano == 1767323045555000222
    assert (log.severity_number, log.severity_text) == (13, "WARN")
    assert (plain(log.body), log.event_name) == ("cart is slow", "cart.slow")
    assert attributes(log.attributes) == {
        "cart.size": 17,
        "nested": {"deep": [1, "two", {"three": True}]},
    }
    assert (log.trace_id.hex(), log.span_id.hex()) == (sent["trace_id"], sent["root"]["span_id"])

    metrics = {metric.name: metric for _, _, metric in records(server, "metrics", service)}
    assert set(metrics) == {"cart.items", "cart.open", "cart.load", "cart.latency"}
    items = metrics["cart.items"]
    assert (items.unit, items.description) == ("{item}", "items put into carts")
    assert items.sum.is_monotonic
    assert items.sum.aggregation_temporality == 2
    assert [p.as_double or p.as_int for p in items.sum.data_points] == [7]
    assert attributes(items.sum.data_points[0].attributes) == {"cart.kind": "gift"}
    assert [p.as_double or p.as_int for p in metrics["cart.open"].sum.data_points] == [-3]
    assert not metrics["cart.open"].sum.is_monotonic
    assert [p.as_double for p in metrics["cart.load"].gauge.data_points] == [0.75]
    (point,) = metrics["cart.latency"].histogram.data_points
    assert list(point.explicit_bounds) == [0.1, 0.5, 1]
    assert list(point.bucket_counts) == [0, 1, 0, 0]
    assert (point.count, point.sum, point.min, point.max) == (1, 0.25, 0.25, 0.25)


def test_a_span_is_findable_within_a_second_of_its_acknowledgement(server: ServerProcess) -> None:
    client = PythonClient("http", server.http, service="findable")
    trace_id = client.send_one_span({"order.id": "A-17"})
    report = eventually(lambda: found(server, f"/api/v1/traces/{trace_id}"), seconds=1.0)
    assert report["trace_id"] == trace_id
    rows = eventually(
        lambda: server.get("/api/v1/traces", q='{ span.order.id = "A-17" }')["traces"], seconds=1.0
    )
    assert [row["trace_id"] for row in rows] == [trace_id]


def found(server: ServerProcess, path: str) -> Any:
    answer = httpx.get(f"http://{server.web}{path}", timeout=30)
    return answer.json() if answer.status_code == 200 else None
