"""Own metrics as stored series, so that PromQL, rules and dashboards can ask how the server was.

What `/metrics` shows now is written every so often under the same names, with `job` and `instance`
as if a Prometheus had scraped it. Metrics made of spans are left out: under `/prometheus` they are
read from what is stored, with history, and two series of one name would contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry

from longpole.analyzer.alerting.tick_source import Sample
from longpole.analyzer.promql.selectors import NAME
from longpole.analyzer.promql.series import labels_of
from longpole.cli.recorded_points import recorded
from longpole.cli.span_counter_metrics import MADE_OF_SPANS
from longpole.model.clock import Clock
from longpole.storage.ports import Intake

JOB = "longpole"
WRITE_SECONDS = 10.0


def own_samples(registry: CollectorRegistry, time_ms: int, instance: str) -> Iterator[Sample]:
    """Every sample of the registry as it is now, metrics made of spans left out."""
    for family in registry.collect():
        for sample in family.samples:
            if any(sample.name.startswith(name) for name in MADE_OF_SPANS):
                continue
            labels = {**sample.labels, NAME: sample.name, "job": JOB, "instance": instance}
            yield Sample(labels_of(labels), time_ms, float(sample.value))


def write_own_series(
    registry: CollectorRegistry, intake: Intake, clock: Clock, instance: str
) -> None:
    """One round. Raises what the store raises when it takes nothing (a full disk, say)."""
    now = clock.now_unix_nano()
    samples = list(own_samples(registry, now // 1_000_000, instance))
    intake.submit(recorded(samples, "longpole.own"), now).result(WRITE_SECONDS)
