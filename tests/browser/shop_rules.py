"""Alerting rules of the shop, really evaluated, over the metrics of its spans."""

from __future__ import annotations

from typing import Any

from longpole.analyzer.alerting.board import RuleBoard
from longpole.analyzer.alerting.group_evaluation import Surround
from longpole.analyzer.alerting.rule_files import read_rules
from longpole.analyzer.alerting.rule_manager import ManagerSettings, RuleManager
from longpole.analyzer.promql.evaluation import Settings
from longpole.analyzer.promql_sources.store_catalog import SourceSettings, stored_series
from longpole.model.clock import Clock
from longpole.storage.ports import Store

MINUTE_MS = 60_000
MINUTES = 12

# The first fires after two minutes; the second would have to last for an hour.
SHOP_RULES = """
groups:
- name: shop
  interval: 1m
  rules:
  - alert: OrdersSlow
    expr: |
      histogram_quantile(0.95, sum by (service_name, le) (
        rate(traces_span_metrics_duration_milliseconds_bucket{
          service_name="order-service", span_kind="SPAN_KIND_SERVER"}[10m])
      )) > 500
    for: 2m
    labels: {severity: critical}
    annotations:
      summary: |-
        One in 20 requests to {{ $labels.service_name }} takes longer than
        {{ $value | printf "%.0f" }} ms
      runbook_url: https://runbooks.example/orders-slow
  - alert: ReservationsFail
    expr: |
      sum by (service_name) (rate(traces_span_metrics_calls_total{
        service_name="inventory", status_code="STATUS_CODE_ERROR"}[30m]))
      / sum by (service_name) (rate(traces_span_metrics_calls_total{
        service_name="inventory"}[30m]))
      > 0.001
    for: 1h
    labels: {severity: warning}
    annotations:
      summary: '{{ $labels.service_name }} fails {{ $value | humanizePercentage }} of its calls'
  - alert: NobodyOrders
    expr: sum(rate(traces_span_metrics_calls_total{service_name="order-service"}[10m])) == 0
"""
# What the first of them is called by, as the report of alerts has it.
FIRING: dict[str, Any] = {
    "name": "OrdersSlow", "group": "shop", "file": "shop.rules.yml",
    "labels": {
        "alertname": "OrdersSlow", "service_name": "order-service", "severity": "critical",
    },
}  # fmt: skip


def board_of(rules: str, store: Store, clock: Clock) -> RuleBoard:
    """What these rules found in the last `MINUTES`, one evaluation a minute."""
    read = read_rules(rules, FIRING["file"])
    assert not read.problems, read.problems
    series = stored_series(store, clock, SourceSettings())
    around = Surround(series, Settings(), lambda: 0.0, (), "http://longpole.example")
    manager = RuleManager(around, ManagerSettings(), lambda _: None, lambda _: None)
    now_ms = clock.now_unix_nano() // 1_000_000
    manager.load(read.groups, now_ms - MINUTES * MINUTE_MS, is_start=False)
    for minute in reversed(range(MINUTES)):
        manager.run_due(now_ms - minute * MINUTE_MS)
    return manager
