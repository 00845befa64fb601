"""What changed between two critical-path totals, per trace: the demo's before and during."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def comparison(
    root_operation: str, before: Mapping[str, Any], during: Mapping[str, Any]
) -> dict[str, Any]:
    """Both are documents of `longpole critical-path --json`, grouped by service and operation,
    of traces of that root operation.

    `before` and `during` have `trace_count`, `mean_ns`, `p50_ns`, `p95_ns`, `max_ns`. `rows` has,
    for each service and operation, the mean nanoseconds that a trace spends there on its critical
    path: `before_ns`, `during_ns`, `difference_ns`; the biggest difference first. The differences
    add up to that of the means, but for rounding.
    """
    means = [_means(document) for document in (before, during)]
    rows: list[dict[str, Any]] = [
        {
            "service": service,
            "operation": operation,
            "before_ns": round(means[0].get((service, operation), 0.0)),
            "during_ns": round(means[1].get((service, operation), 0.0)),
        }
        for service, operation in {**means[0], **means[1]}
    ]
    for row in rows:
        row["difference_ns"] = row["during_ns"] - row["before_ns"]
    rows.sort(key=lambda row: (-abs(row["difference_ns"]), row["service"], row["operation"]))
    return {
        "root_operation": root_operation,
        "before": _figures(before),
        "during": _figures(during),
        "rows": rows,
    }


def _means(document: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    traces = document["roots"]["trace_count"]
    return {
        (group["service"] or "", group["operation"] or ""): group["critical_ns"] / traces
        for group in document["groups"]
    }


def _figures(document: Mapping[str, Any]) -> dict[str, Any]:
    roots = document["roots"]
    count = roots["trace_count"]
    mean = round(roots["duration_sum_ns"] / count) if count else None
    return {
        "trace_count": count,
        "mean_ns": mean,
        **{name: roots[name] for name in ("p50_ns", "p95_ns", "max_ns")},
    }
