"""Evaluates 1,000 alert and recording rules over stored metrics, and says how long a round takes.

    python -m bench.rules [--rules 1000] [--series 1000] [--json]

The series are sent as OTLP, an hour of one sample each 30 s, into a store of the embedded engine in
a temporary folder; the rules are those that real files are made of: rates by label, ratios of
recorded series, comparisons, aggregates over time. Each round has its own time, so that nothing of
the one before is reused.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from longpole.analyzer.alerting.group_evaluation import (
    GroupRun,
    Surround,
    evaluate_group,
    wanted_by,
)
from longpole.analyzer.alerting.rule_files import read_rules
from longpole.analyzer.alerting.shared_reads import SharedReads, joined
from longpole.analyzer.promql.evaluation import Settings
from longpole.analyzer.promql_sources.store_catalog import stored_series
from longpole.formats import otlp
from longpole.model.clock import ManualClock
from longpole.model.signals import Signal
from longpole.storage.duckdb.store import DuckDBStore, StoreSettings

METRICS = 10
SAMPLES, STEP_S = 120, 30
START_NS = 1_767_225_600 * 10**9


def requests(series: int) -> Sequence[bytes]:
    """Ten counters of `series` / 10 label sets each."""
    found = []
    for first in range(0, SAMPLES, 10):
        request = ExportMetricsServiceRequest()
        resource = request.resource_metrics.add()
        service = resource.resource.attributes.add()
        service.key, service.value.string_value = "service.name", "bench"
        scope = resource.scope_metrics.add()
        for number in range(METRICS):
            metric = scope.metrics.add(name=f"requests{number}")
            metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, 2
            for label in range(series // METRICS):
                for step in range(first, first + 10):
                    point = metric.sum.data_points.add()
                    point.time_unix_nano = START_NS + step * STEP_S * 10**9
                    point.as_double = step * (label + 1) * (1 + step % 3)
                    for key, value in (("path", f"/p{label}"), ("code", str(label % 5))):
                        attribute = point.attributes.add()
                        attribute.key, attribute.value.string_value = key, value
        found.append(request.SerializeToString())
    return found


def rules_text(count: int) -> str:
    """A file with that many rules in groups of 50."""
    made = []
    for number in range(count):
        metric = f"requests{number % METRICS}_total"
        code = number % 5
        path = f'{{path="/p{number % 90}"}}'
        some = f'{{path=~"/p[0-4]?{number % 10}"}}'
        kinds = (
            f"record: r{number}, expr: 'sum by (code) (rate({metric}{some}[5m]))'",
            f"alert: A{number}, expr: 'rate({metric}{path}[5m]) > {number}', for: 5m,"
            " annotations: {summary: '{{ $labels.path }} {{ $value | humanize }}'}",
            f"alert: B{number}, expr: 'sum(rate({metric}{some}[5m]))"
            f" / sum(rate({metric}[5m])) > 0.1'",
            f"alert: C{number}, expr: 'max_over_time({metric}{{code=\"{code}\"}}[10m]) > 1e9'",
            f"alert: D{number}, expr: 'absent({metric}{path})'",
        )
        made.append(kinds[number % len(kinds)])
    groups = []
    for first in range(0, count, 50):
        rules = "".join(f"  - {{{rule}}}\n" for rule in made[first : first + 50])
        groups.append(f"- name: g{first}\n  rules:\n{rules}")
    return "groups:\n" + "".join(groups)


def measured(rules: int, series: int, rounds: int = 5) -> dict[str, Any]:
    """Seconds of a round over all groups."""
    clock = ManualClock(START_NS + SAMPLES * STEP_S * 10**9)
    read = read_rules(rules_text(rules), "bench.yml")
    assert not read.problems, read.problems[:3]
    with tempfile.TemporaryDirectory() as folder:
        store = DuckDBStore.open(StoreSettings(data_dir=Path(folder)), clock)
        try:
            store.load()
            for body in requests(series):
                store.submit(otlp.decode(Signal.METRICS, body), clock.now_unix_nano()).result()
            around = Surround(stored_series(store, clock), Settings(), time.monotonic)
            runs = [GroupRun.of(group, 60_000) for group in read.groups]
            now_ms = clock.now_unix_nano() // 10**6
            seconds, cpu = [], []
            for number in range(rounds):
                began, busy = time.perf_counter(), time.process_time()
                at_ms = now_ms - number * 60_000
                shared = SharedReads(
                    around.source, joined(wanted_by(run, at_ms, around) for run in runs)
                )
                for run in runs:
                    evaluate_group(run, at_ms, around, shared)
                seconds.append(time.perf_counter() - began)
                cpu.append(time.process_time() - busy)
            failed = [rule.error for run in runs for rule in run.rules if rule.error]
            assert not failed, failed[:3]
        finally:
            store.close()
    return {
        "rules": read.rule_count,
        "groups": len(read.groups),
        "series": series,
        "first_seconds": round(seconds[0], 3),
        "median_seconds": round(statistics.median(seconds), 3),
        "median_cpu_seconds": round(statistics.median(cpu), 3),
        "machine": platform.processor() or platform.machine(),
    }


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rules", type=int, default=1_000)
    arguments.add_argument("--series", type=int, default=1_000)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    found = measured(given.rules, given.series)
    if given.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:16} {value}")


if __name__ == "__main__":
    main()
