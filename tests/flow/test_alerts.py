"""Rules in a real server: receivers are told, a real Alertmanager too; `for` outlives restarts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from longpole.cli.settings import SettingRefused
from tests.cli.alert_sink import Sink, listening
from tests.cli.command import run
from tests.flow import alertmanager
from tests.flow.server_process import ServerProcess, eventually, running
from tests.flow.tools import requires

RULES = """
groups:
- name: queues
  interval: 1s
  rules:
  - record: queue:depth:max
    expr: max(queue_depth)
  - alert: QueueDeep
    expr: queue:depth:max > 5
    for: {wait}
    labels: {{service: cart}}
    annotations: {{summary: "{{{{ $value }}}} messages wait in {{{{ $externalLabels.dc }}}}"}}
"""
FAILING = """
groups:
- name: errors
  interval: 1s
  rules:
  - alert: ServiceFails
    expr: |
      sum by (service_name) (
        increase(traces_span_metrics_calls_total{status_code="STATUS_CODE_ERROR"}[2m])
      ) > 0
"""


class Queue:
    """Tells its depth over OTLP, some times a second, until it is closed."""

    def __init__(self) -> None:
        self.depth, self.http = 9.0, ""
        self._is_done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @contextmanager
    def telling(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._is_done.set()
            self._thread.join(20)

    def _run(self) -> None:
        while not self._is_done.wait(0.3):
            point = {"timeUnixNano": str(time.time_ns()), "asDouble": self.depth}
            scope = {"metrics": [{"name": "queue.depth", "gauge": {"dataPoints": [point]}}]}
            request = {"resourceMetrics": [{"scopeMetrics": [scope]}]}
            try:
                httpx.post(f"http://{self.http}/v1/metrics", json=request, timeout=10)
            except httpx.TransportError:
                # The server is between its end and its next start.
                continue


def rules_file(folder: Path, wait: str, text: str = RULES) -> str:
    file = folder / "rules.yml"
    file.write_text(text.format(wait=wait))
    return str(file)


def states(server: ServerProcess) -> list[str]:
    return [alert["state"] for alert in server.get("/api/v1/alerts")["alerts"]]


def evaluated_unix_nano(server: ServerProcess) -> float:
    """When the rules of the first group were last asked."""
    (group,) = server.get("/prometheus/api/v1/rules")["data"]["groups"]
    return datetime.fromisoformat(group["lastEvaluation"]).timestamp() * 1e9


def send_trace(server: ServerProcess, status: int) -> None:
    now = time.time_ns()
    span: dict[str, Any] = {
        "traceId": f"{now:032x}", "spanId": f"{now & (2**64 - 1):016x}", "name": "GET /cart",
        "kind": 2, "startTimeUnixNano": str(now - 1_000_000), "endTimeUnixNano": str(now),
        "status": {"code": status},
    }  # fmt: skip
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "cart"}}]}
    request = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    httpx.post(f"http://{server.http}/v1/traces", json=request, timeout=10).raise_for_status()


def test_a_webhook_is_told_with_evidence_and_the_command_says_bad_news(tmp_path: Path) -> None:
    queue = Queue()
    with (
        listening(Sink()) as sink,
        running(
            tmp_path / "data", "--rules", rules_file(tmp_path, "0s"), "--alert-webhook", sink.url,
            "--external-labels", "dc=eu", "--settle-after", "0.1",
        ) as server,
    ):  # fmt: skip
        queue.http = server.http
        send_trace(server, 2)
        with queue.telling():
            eventually(lambda: sink.bodies or None, 60)
            shown = run("alerts", "--url", f"http://{server.web}")
    (alert,) = sink.bodies[0]["alerts"]
    assert alert["status"] == "firing"
    assert alert["labels"] == {"alertname": "QueueDeep", "dc": "eu", "service": "cart"}
    assert alert["annotations"]["summary"] == "9 messages wait in eu"
    assert alert["evidence"]["service"] == "cart"
    assert [trace["errors"] for trace in alert["evidence"]["traces"]] == [1]
    # The server has just begun: there is no time before that a path could have grown since.
    assert "No time before to compare with" in alert["evidence"]["summary"]
    (part,) = alert["evidence"]["consists_of"]
    assert (part["service"], part["operation"], part["share"]) == ("cart", "GET /cart", 1.0)
    assert shown.exit_code == 1
    assert "firing  QueueDeep" in shown.stdout


def test_a_rule_file_with_a_mistake_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_text("groups:\n- name: g\n  rules:\n  - {alert: A, expr: sum(}\n")
    shown = run("serve", "--data-dir", str(tmp_path / "data"), "--rules", str(file))
    assert isinstance(shown.exception, SettingRefused)
    assert f"{file}: 4:" in str(shown.exception)
    assert not (tmp_path / "data").exists()


@pytest.mark.full
@pytest.mark.timeout(400)
def test_alertmanager_shows_and_resolves_an_alert_whose_wait_outlives_a_restart(
    tmp_path: Path,
) -> None:
    requires("sh", alertmanager.PROGRAM)
    queue = Queue()
    arguments: tuple[str, ...] = ("--rules", rules_file(tmp_path, "20s"), "--alert-for-grace", "2s",
                 "--external-labels", "dc=eu", "--alert-resend-delay", "2s")  # fmt: skip
    with alertmanager.running(tmp_path) as manager, queue.telling():
        arguments = (*arguments, "--alertmanager", manager.url)
        with running(tmp_path / "data", *arguments) as server:
            queue.http = server.http
            eventually(lambda: states(server) == ["pending"], 60)
            began = server.get("/api/v1/alerts")["alerts"][0]["active_at_unix_nano"]
            # Eight of the twenty seconds; what is tested is that they are not lost.
            eventually(lambda: evaluated_unix_nano(server) - began > 8e9, 60)
        with running(tmp_path / "data", *arguments) as server:
            queue.http = server.http
            ready = time.time_ns()
            eventually(lambda: states(server) == ["firing"], 60)
            alert = server.get("/api/v1/alerts")["alerts"][0]
            # It began before the restart; only the time without a server was not counted.
            waited = (alert["fired_at_unix_nano"] - alert["active_at_unix_nano"]) / 1e9
            assert 20 <= waited < 25
            # One that began anew would fire twenty seconds after the start at the earliest.
            assert alert["fired_at_unix_nano"] - ready < 20e9
            outage = (alert["active_at_unix_nano"] - began) / 1e9
            assert 0 <= outage < (alert["fired_at_unix_nano"] - began) / 1e9 - 20 + 1
            found = eventually(lambda: manager.alerts() or None, 60)
            assert found[0]["labels"] == {"alertname": "QueueDeep", "dc": "eu", "service": "cart"}
            assert found[0]["annotations"]["summary"] == "9 messages wait in eu"
            assert "longpole_evidence" in found[0]["annotations"]
            assert found[0]["generatorURL"].startswith(f"http://{server.web}/graph?g0.expr=queue")
            queue.depth = 1.0
            eventually(lambda: manager.alerts() == [], 60)
            assert states(server) == []


@pytest.mark.full
@pytest.mark.timeout(400)
def test_failing_calls_fire_an_alert_over_metrics_from_spans(tmp_path: Path) -> None:
    requires("sh", alertmanager.PROGRAM)
    file = tmp_path / "rules.yml"
    file.write_text(FAILING)
    with (
        alertmanager.running(tmp_path) as manager,
        running(
            tmp_path / "data", "--rules", str(file), "--alertmanager", manager.url,
            "--settle-after", "0.5",
        ) as server,
    ):  # fmt: skip
        for status in (0, 2, 2):
            send_trace(server, status)
        (alert,) = eventually(lambda: manager.alerts() or None, 120)
        assert alert["labels"] == {"alertname": "ServiceFails", "service_name": "cart"}
        assert f"http://{server.web}/traces/" in alert["annotations"]["longpole_evidence"]
