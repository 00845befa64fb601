"""The shop's last hour, and ten minutes of the server's own metrics, behind all dialects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from longpole.analyzer.red.span_counters import SpanCounters
from longpole.analyzer.settle import settle_once
from longpole.cli.own_metrics import metrics_text
from longpole.cli.own_series import write_own_series
from longpole.cli.rule_service import RuleService, checked_rules
from longpole.cli.settings import resolve
from longpole.cli.wiring import mount_grafana
from longpole.collector.metrics import CollectorMetrics
from longpole.formats.rows import telemetry_of_logs, telemetry_of_spans
from longpole.model.clock import ManualClock
from longpole.storage.memory import MemoryStore
from tests.browser.shop_stories import MINUTE, NOW, SHOP, logs_of
from tests.grafana.client import Client
from tests.grafana.grafana_requests import Grafana

ROOT = Path(__file__).parent.parent.parent
STARTER = ROOT / "analyzer/longpole/analyzer/alerting/starter"
ADDRESS = "127.0.0.1:4319"


@contextmanager
def grafana() -> Iterator[Grafana]:
    """A Grafana on a Longpole that has seen the shop and watched itself."""
    clock = ManualClock(NOW - 10 * MINUTE)
    store = MemoryStore(clock, 0.0, 0.0)
    try:
        settings = resolve({"rules": f"{STARTER}/*.yml"}, {})
        registry = CollectorRegistry()
        counted = CollectorMetrics(registry)
        rules = checked_rules(settings)
        assert rules is not None
        board = RuleService(settings, store, clock, rules, f"http://{ADDRESS}", registry)
        metrics_text(registry, store, SpanCounters(), clock)
        spans = [span for story in SHOP for span in story.spans]
        for telemetry in (telemetry_of_spans(spans), telemetry_of_logs(logs_of(SHOP))):
            store.submit(telemetry, NOW).result()
        for _ in range(20):
            _one_request_of_each_fate(counted)
            clock.advance(30)
            write_own_series(registry, store, clock, ADDRESS)
        while settle_once(store, clock).traces:
            pass
        assert clock.now_unix_nano() == NOW
        app = FastAPI()
        mount_grafana(app, settings, store, clock, "1.2", board)
        yield Grafana(Client(app), NOW // 10**9)
    finally:
        store.close()


def _one_request_of_each_fate(counted: CollectorMetrics) -> None:
    """What the collector counts when a request comes in whole, and when one is refused."""
    for outcome in ("accepted", "repeated", "rejected"):
        counted.records.labels("traces", outcome).inc(100)
    counted.problems.labels("traces", "bad_trace_id").inc()
    counted.refusals.labels("http", "too_large").inc()
    for outcome in ("accepted", "refused"):
        counted.requests.labels("http", "traces", outcome).inc()
    counted.received_bytes.labels("http", "traces").inc(10_000)
    counted.decoded_bytes.labels("http", "traces").inc(90_000)
    counted.duration.labels("http", "traces").observe(0.02)
