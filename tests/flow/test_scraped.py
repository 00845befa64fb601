"""A real Prometheus takes over what Longpole has: by its own page of metrics, and in bulk."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.analyzer.promql import prometheus_peer
from tests.flow.server_process import ServerProcess, eventually, running
from tests.flow.tools import requires

SCRAPING = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
- job_name: longpole
  static_configs: [{{targets: ["{web}"]}}]
- job_name: series
  honor_labels: true
  metrics_path: /prometheus/federate
  params: {{"match[]": ['{{__name__=~"queue_.*|traces_.*"}}']}}
  static_configs: [{{targets: ["{web}"]}}]
"""


def send(server: ServerProcess, path: str, request: dict[str, Any]) -> None:
    httpx.post(f"http://{server.http}/v1/{path}", json=request, timeout=10).raise_for_status()


def send_call(server: ServerProcess) -> str:
    """A call of `web` to `cart`; the trace id."""
    now, trace_id = time.time_ns(), f"{time.time_ns():032x}"
    resource_spans = []
    for number, kind, service in ((1, 3, "web"), (2, 2, "cart")):
        span = {
            "traceId": trace_id, "spanId": f"{number:016x}", "name": "GET /cart", "kind": kind,
            "startTimeUnixNano": str(now - 3_000_000), "endTimeUnixNano": str(now),
        } | ({"parentSpanId": f"{1:016x}"} if number > 1 else {})  # fmt: skip
        name = {"key": "service.name", "value": {"stringValue": service}}
        resource_spans.append(
            {"resource": {"attributes": [name]}, "scopeSpans": [{"spans": [span]}]}
        )
    send(server, "traces", {"resourceSpans": resource_spans})
    return trace_id


@pytest.mark.full
@pytest.mark.timeout(300)
def test_a_prometheus_takes_over_series_of_applications_the_service_graph_and_exemplars(
    tmp_path: Path,
) -> None:
    requires("sh", prometheus_peer.PROGRAM)
    point = {"timeUnixNano": str(time.time_ns()), "asDouble": 7.0}
    gauge = {"name": "queue.depth", "gauge": {"dataPoints": [point]}}
    with running(tmp_path / "data", "--settle-after", "0.5") as server:
        server.get("/api/v1/status")
        send(server, "metrics", {"resourceMetrics": [{"scopeMetrics": [{"metrics": [gauge]}]}]})
        trace_id = send_call(server)
        scraping = SCRAPING.format(web=server.web)
        folder = tmp_path / "prometheus"
        folder.mkdir()
        with prometheus_peer.running(prometheus_peer.PROGRAM, folder, scraping) as peer:

            def result(query: str) -> list[dict[str, Any]]:
                found: list[dict[str, Any]] = peer.ask("query", query=query)["data"]["result"]
                return found

            (depth,) = eventually(lambda: result("queue_depth") or None, 60)
            assert depth["value"][1] == "7"
            now = time.time()
            asked = {
                "query": "traces_spanmetrics_latency_bucket",
                "start": now - 60,
                "end": now + 60,
            }
            exemplars = eventually(lambda: peer.ask("query_exemplars", **asked)["data"] or None, 60)
            assert {one["labels"]["trace_id"] for one in exemplars[0]["exemplars"]} == {trace_id}
            graph = 'traces_service_graph_request_total{client="web", server="cart"}'
            # Once from either page, when the step of the call has ended.
            eventually(lambda: len(result(f"{graph} == 1")) == 2, 120)
            assert result("up == 0") == []
