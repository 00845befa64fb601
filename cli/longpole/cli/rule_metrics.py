"""Own metrics of rules and of the messages on alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from longpole.analyzer.alerting.board import AlertState
from longpole.analyzer.alerting.rule_manager import RuleManager
from longpole.cli.alert_sender import Receiver


@dataclass(frozen=True, slots=True)
class RuleMetric:
    """One row of the table."""

    name: str
    kind: str  # counter, gauge
    unit: str
    help: str
    read: Callable[[RuleManager, Sequence[Receiver]], float]
    label: str = ""


def _alerts(manager: RuleManager, state: AlertState) -> float:
    return sum(
        alert.state is state
        for group in manager.groups()
        for rule in group.rules
        for alert in rule.alerts
    )


RULE_METRICS = (
    RuleMetric("longpole_rules", "gauge", "rules", "rules that are evaluated",
               lambda m, _: sum(len(group.rules) for group in m.groups())),
    RuleMetric("longpole_rule_evaluations_total", "counter", "rules", "evaluations of rules",
               lambda m, _: m.counts.evaluations),
    RuleMetric("longpole_rule_evaluation_failures_total", "counter", "rules", "evaluations that "
               "failed", lambda m, _: m.counts.failures),
    RuleMetric("longpole_rule_iterations_missed_total", "counter", "", "evaluations of groups left "
               "out since the ones before took too long", lambda m, _: m.counts.missed),
    RuleMetric("longpole_rule_samples_lost_total", "counter", "samples", "recorded samples that "
               "could not be kept", lambda m, _: m.counts.unwritten),
    RuleMetric("longpole_alerts_firing", "gauge", "alerts", "alerts that fire",
               lambda m, _: _alerts(m, AlertState.FIRING)),
    RuleMetric("longpole_alerts_pending", "gauge", "alerts", "alerts that wait for their `for`",
               lambda m, _: _alerts(m, AlertState.PENDING)),
    RuleMetric("longpole_notifications_sent_total", "counter", "alerts", "alerts sent to receivers",
               lambda _, receivers: sum(one.sent for one in receivers)),
    RuleMetric("longpole_notifications_failed_total", "counter", "alerts", "alerts that a receiver "
               "did not take", lambda _, receivers: sum(one.failed for one in receivers)),
    RuleMetric("longpole_notifications_dropped_total", "counter", "alerts", "alerts dropped from a "
               "full queue", lambda _, receivers: sum(one.dropped for one in receivers)),
)  # fmt: skip


class RuleMetrics(Collector):
    """Reads the figures when asked; keeps nothing itself."""

    def __init__(self, manager: RuleManager, receivers: Sequence[Receiver]) -> None:
        self._manager, self._receivers = manager, receivers

    def collect(self) -> Iterator[Metric]:
        for row in RULE_METRICS:
            family = CounterMetricFamily if row.kind == "counter" else GaugeMetricFamily
            metric = family(row.name, row.help, labels=[])
            metric.add_metric([], row.read(self._manager, self._receivers))
            yield metric

    def describe(self) -> Iterator[Metric]:
        return iter(())
