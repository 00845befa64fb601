"""Evaluates 1,000 alert and recording rules over stored metrics, and says how long a round takes.

    python -m bench.rules [--rules 1000] [--series 1000] [--distinct]

It prints JSON lines: the machine and its speed, a line for the rounds, the speed afterwards.

The series are sent as OTLP, an hour of one sample each 30 s, into a store of the embedded engine in
a temporary folder; the rules are those that real files are made of: rates by label, ratios of
recorded series, comparisons, aggregates over time. Each round has its own time, so that nothing of
the one before is reused. Of rules in real files many say the same with other thresholds, which is
calculated once; with `--distinct` every rule has a range of its own, and nothing is said twice.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.analyze import additions_per_second, machine, say
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


def rules_text(count: int, is_distinct: bool = False) -> str:
    """A file with that many rules in groups of 50; each has a range of its own if asked for."""
    made = []
    for number in range(count):
        metric = f"requests{number % METRICS}_total"
        code = number % 5
        short, long = (f"{300 + number}s", f"{600 + number}s") if is_distinct else ("5m", "10m")
        path = f'{{path="/p{number % 90}"}}'
        some = f'{{path=~"/p[0-4]?{number % 10}"}}'
        kinds = (
            f"record: r{number}, expr: 'sum by (code) (rate({metric}{some}[{short}]))'",
            f"alert: A{number}, expr: 'rate({metric}{path}[{short}]) > {number}', for: 5m,"
            " annotations: {summary: '{{ $labels.path }} {{ $value | humanize }}'}",
            f"alert: B{number}, expr: 'sum(rate({metric}{some}[{short}]))"
            f" / sum(rate({metric}[{short}])) > 0.1'",
            f"alert: C{number}, expr: 'max_over_time({metric}{{code=\"{code}\"}}[{long}]) > 1e9'",
            f"alert: D{number}, expr: 'absent({metric}{path})'",
        )
        made.append(kinds[number % len(kinds)])
    groups = []
    for first in range(0, count, 50):
        rules = "".join(f"  - {{{rule}}}\n" for rule in made[first : first + 50])
        groups.append(f"- name: g{first}\n  rules:\n{rules}")
    return "groups:\n" + "".join(groups)


def measured(rules: int, series: int, is_distinct: bool, rounds: int = 9) -> dict[str, Any]:
    """Seconds of a round over all groups."""
    clock = ManualClock(START_NS + SAMPLES * STEP_S * 10**9)
    read = read_rules(rules_text(rules, is_distinct), "bench.yml")
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
    # The first round looks up which series there are.
    return {
        "rules": read.rule_count,
        "groups": len(read.groups),
        "series": series,
        "is_distinct": is_distinct,
        "first": {"wall_seconds": round(seconds[0], 3), "cpu_seconds": round(cpu[0], 3)},
        "wall_seconds": spread(seconds[1:]),
        "cpu_seconds": spread(cpu[1:]),
    }


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """The median with the fastest and the slowest."""
    return {
        "median": round(statistics.median(seconds), 3),
        "min": round(min(seconds), 3),
        "max": round(max(seconds), 3),
    }


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rules", type=int, default=1_000)
    arguments.add_argument("--series", type=int, default=1_000)
    arguments.add_argument("--distinct", action="store_true")
    given = arguments.parse_args()
    say("machine", **machine())
    say("calibration", additions_per_second=additions_per_second())
    say("rules", **measured(given.rules, given.series, given.distinct))
    say("calibration_afterwards", additions_per_second=additions_per_second())
    say("machine_afterwards", **machine())


if __name__ == "__main__":
    main()
