"""A fault of the sample shop becomes an alert: pending, over a restart, firing, resolved.

The shop, the server, Alertmanager and the webhook are real; customers visit all the time.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.alert_sink import Sink, listening
from tests.flow import alertmanager
from tests.flow.server_process import eventually
from tests.flow.tools import requires
from tests.shop.faults.running_shop import RunningShop, running_shop

FAULT, GUILTY, OPERATION = "order-retry-storm", "inventory-service", "POST /v1/reservations"
WAIT_SECONDS = 60
# The rule to start with, over shorter windows.
CALLS = 'traces_span_metrics_calls_total{span_kind="SPAN_KIND_SERVER"'
FAILED = f'{CALLS}, status_code="STATUS_CODE_ERROR"}}'
RULES = f"""
groups:
- name: services
  interval: 5s
  rules:
  - record: operation:calls:rate2m
    expr: sum by (service_name, span_name) (rate({CALLS}}}[2m]))
  - alert: ServiceErrorRatioHigh
    expr: sum by (service_name, span_name) (rate({FAILED}[2m])) / operation:calls:rate2m > 0.05
    for: {WAIT_SECONDS}s
    labels: {{severity: warning}}
    annotations:
      summary: '{{{{ $labels.service_name }}}} fails {{{{ $value | humanizePercentage }}}} of calls'
"""
# Evidence compares with the time that ended two minutes before the alert (the range of the rule).
WELL_SECONDS = 180
LABELS = {
    "alertname": "ServiceErrorRatioHigh", "service_name": GUILTY, "span_name": OPERATION,
    "severity": "warning", "dc": "eu",
}  # fmt: skip


def is_ours(labels: dict[str, str]) -> bool:
    """Callers of the guilty service fail too, and have alerts of their own."""
    return (labels["service_name"], labels["span_name"]) == (GUILTY, OPERATION)


def of_guilty(shop: RunningShop) -> dict[str, Any] | None:
    """The alert as Grafana is told of it."""
    found = shop.server.get("/prometheus/api/v1/alerts")["data"]["alerts"]
    return next((one for one in found if is_ours(one["labels"])), None)


def own_alert(shop: RunningShop) -> dict[str, Any]:
    """The alert as Longpole's own API tells it."""
    found = shop.server.get("/api/v1/alerts")["alerts"]
    return next(one for one in found if is_ours(one["labels"]))


def shown_in(manager: alertmanager.Alertmanager) -> list[dict[str, Any]]:
    return [one for one in manager.alerts() if is_ours(one["labels"])]


def told_to(sink: Sink) -> list[dict[str, Any]]:
    return [one for body in sink.bodies for one in body["alerts"] if is_ours(one["labels"])]


def is_in(shop: RunningShop, state: str) -> bool:
    alert = of_guilty(shop)
    return alert is not None and alert["state"] == state


def first_pending_since(shop: RunningShop, moment: float) -> float:
    """When the alert was first seen to wait after that moment, in Unix seconds."""
    asked = {"query": f'ALERTS{{span_name="{OPERATION}", alertstate="pending"}}[10m]'}
    found = shop.server.get("/prometheus/api/v1/query", **asked)["data"]["result"]
    return min(float(at) for one in found for at, _ in one["values"] if at > moment)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_fault_of_the_shop_fires_over_a_restart_with_evidence_and_resolves(
    tmp_path: Path,
) -> None:
    requires("sh", alertmanager.PROGRAM)
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES)
    with alertmanager.running(tmp_path) as manager, listening(Sink()) as sink:
        settings = (
            "--settle-after", "1.5", "--rules", str(rules), "--alert-for-grace", "5s",
            "--alertmanager", manager.url, "--alert-webhook", sink.url,
            "--external-labels", "dc=eu", "--alert-resend-delay", "5s",
        )  # fmt: skip
        with running_shop(tmp_path, "--rate", "2", settings=settings) as shop:
            opened = time.monotonic()
            eventually(lambda: time.monotonic() - opened > WELL_SECONDS, WELL_SECONDS + 10)
            assert of_guilty(shop) is None
            broken = shop.switch_on(FAULT, {})
            eventually(lambda: is_in(shop, "pending"), 180)
            began = own_alert(shop)["active_at_unix_nano"]
            assert began > broken
            waits = time.monotonic()
            eventually(lambda: time.monotonic() - waits > WAIT_SECONDS / 2, WAIT_SECONDS)
            assert shown_in(manager) == [] == told_to(sink)

            down = time.time()
            shop.restart_server()
            eventually(lambda: is_in(shop, "firing"), 240)
            alert = own_alert(shop)
            active, fired = (alert[f"{word}_at_unix_nano"] / 1e9 for word in ("active", "fired"))
            # It waited as long as the rule says, and the time before the restart counted.
            assert fired - active >= WAIT_SECONDS
            assert first_pending_since(shop, down) - active > WAIT_SECONDS / 3
            assert active * 1e9 >= began

            shown = eventually(lambda: shown_in(manager) or None, 60)
            firing = eventually(lambda: told_to(sink) or None, 60)[0]
            shop.switch_off(FAULT)
            # Alertmanager forgets an alert of a starved server by itself; the webhook is told.
            resolved = eventually(
                lambda: [one for one in told_to(sink) if one["status"] == "resolved"] or None, 400
            )[-1]
            eventually(lambda: shown_in(manager) == [], 60)
            assert of_guilty(shop) is None

    assert [one["labels"] for one in shown] == [LABELS]
    assert f"{GUILTY} fails " in shown[0]["annotations"]["summary"]
    assert shown[0]["generatorURL"].startswith(f"http://{shop.server.web}/graph?g0.expr=sum")
    assert (firing["status"], firing["labels"]) == ("firing", LABELS)
    print(shown[0]["annotations"]["longpole_evidence"])
    # Whether it is more than noise is up to how many customers came on a busy machine.
    grew = firing["evidence"]["grew"][0]
    assert grew["service"] in ("order-service", GUILTY)
    assert grew["difference_ns"] > 0
    traces = firing["evidence"]["traces"]
    assert len({one["trace_id"] for one in traces}) == 3
    assert all(one["errors"] > 0 for one in traces)
    logs = firing["evidence"]["new_logs"]
    assert any("reservations failed" in one["template"] for one in logs)
    for one in traces:
        assert one["url"] in shown[0]["annotations"]["longpole_evidence"]
    assert (resolved["status"], resolved["labels"]) == ("resolved", LABELS)
