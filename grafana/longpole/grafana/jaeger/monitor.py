"""The figures of Jaeger UI's tab "Monitor": calls, errors and latencies of services over time.

They are PromQL over the metric families that OpenTelemetry's span metrics connector has, as
Jaeger's own Prometheus reader asks for them (jaeger, plugin/metrics/prometheus).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from longpole.analyzer.promql.catalog import SeriesCatalog
from longpole.analyzer.promql.evaluation import Settings, Steps, evaluate
from longpole.analyzer.promql.formatting import quoted
from longpole.analyzer.promql.query import parse
from longpole.analyzer.promql.vectors import Vector
from longpole.grafana.jaeger.asked import BadParameter, Fields, whole
from longpole.model.clock import Clock

# The smallest step that makes sense to ask for.
LEAST_STEP_MS = 1
_HOUR_MS, _STEP_MS, _RATE_MS = 3_600_000, 5_000, 600_000
_MOST_STEPS = 11_000
_MOST_SERVICES = 500
_CALLS = "traces_span_metrics_calls_total"
_BUCKETS = "traces_span_metrics_duration_milliseconds_bucket"


@dataclass(frozen=True, slots=True)
class Metric:
    """`expression` has the places services (a matcher), by, rate and quantile."""

    name: str
    help: str
    expression: str


METRICS = {
    "calls": Metric(
        "call_rate", "calls/sec, grouped by {subject}",
        "sum(rate(" + _CALLS + "{{{where}}}[{rate}ms])) by ({by})",
    ),
    "errors": Metric(
        "error_rate", "error rate, computed as a fraction of errors/sec over calls/sec,"
        " grouped by {subject}",
        "sum(rate(" + _CALLS + '{{{where},status_code="STATUS_CODE_ERROR"}}[{rate}ms])) by ({by})'
        " / sum(rate(" + _CALLS + "{{{where}}}[{rate}ms])) by ({by})",
    ),
    "latencies": Metric(
        "latencies", "{quantile}th quantile latency, grouped by {subject}",
        "histogram_quantile({quantile}, sum(rate(" + _BUCKETS + "{{{where}}}[{rate}ms]))"
        " by ({by},le))",
    ),
}  # fmt: skip


def metric_document(
    kind: str, asked: Fields, catalog: SeriesCatalog, clock: Clock
) -> dict[str, Any]:
    """A family of metrics in the JSON of OpenMetrics' protobuf. Raises `BadParameter`."""
    metric = METRICS[kind]
    by_operation = asked.get("groupByOperation", "").lower() in ("1", "t", "true")
    subject = "service & operation" if by_operation else "service"
    quantile = _quantile(asked) if kind == "latencies" else 0.0
    expression = metric.expression.format(
        where=_where(asked),
        by="service_name,span_name" if by_operation else "service_name",
        rate=_positive(asked, "ratePer", _RATE_MS),
        quantile=f"{quantile:.2f}",
    )
    steps = _steps(asked, clock.now_unix_nano() // 10**6)
    begin = clock.monotonic_ns()
    found = evaluate(
        parse(expression), catalog, steps, Settings(), lambda: (clock.monotonic_ns() - begin) / 1e9
    )
    assert isinstance(found, Vector)
    times = [_time(at) for at in steps.times_ms.tolist()]
    prefix = "service_operation" if by_operation else "service"
    return {
        "name": f"{prefix}_{metric.name}",
        "type": "GAUGE",
        "help": metric.help.format(subject=subject, quantile=f"{quantile:.2f}"),
        "metrics": [
            {
                "labels": [
                    {"name": "operation" if name == "span_name" else name, "value": value}
                    for name, value in labels
                ],
                "metricPoints": [
                    {"gaugeValue": {"doubleValue": _number(value)}, "timestamp": at}
                    for at, value, is_here in zip(
                        times, found.values[row].tolist(), found.present[row].tolist(), strict=True
                    )
                    if is_here
                ],
            }
            for row, labels in enumerate(found.labels)
        ],
    }


def _where(asked: Fields) -> str:
    services = asked.getlist("service")
    if not services:
        raise BadParameter("unable to parse param 'service': please provide at least one")
    if len(services) > _MOST_SERVICES:
        raise BadParameter(f"more than {_MOST_SERVICES} parameters 'service'")
    kinds = [f"SPAN_KIND_{kind.upper()}" for kind in asked.getlist("spanKind")] or [
        "SPAN_KIND_SERVER"
    ]
    names = quoted("|".join(map(re.escape, services)))
    return f"service_name=~{names},span_kind=~{quoted('|'.join(map(re.escape, kinds)))}"


def _steps(asked: Fields, now_ms: int) -> Steps:
    step = _positive(asked, "step", _STEP_MS)
    end = whole(asked, "endTs", now_ms)
    lookback = _positive(asked, "lookback", _HOUR_MS)
    if not 0 <= end < 2**43 or lookback // step > _MOST_STEPS:
        raise BadParameter(f"at most {_MOST_STEPS:,} steps; ask for a larger 'step'")
    return Steps(end - lookback, end, step)


def _positive(asked: Fields, name: str, default: int) -> int:
    found = whole(asked, name, default)
    if found <= 0:
        raise BadParameter(f"unable to parse param '{name}': it has to be above 0")
    return found


def _quantile(asked: Fields) -> float:
    try:
        found = float(asked.get("quantile", ""))
    except ValueError:
        found = math.nan
    if not 0 < found <= 1:
        raise BadParameter("unable to parse param 'quantile': a number above 0, at most 1")
    return found


def _number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _time(at_ms: int) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
