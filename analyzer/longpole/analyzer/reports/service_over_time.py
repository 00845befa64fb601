"""The report of one service, or one operation of it, over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from longpole.analyzer.red.figures import change, runs_of, summed
from longpole.analyzer.red.series import by_step, heat_document, series_document, service_steps
from longpole.analyzer.red.window import RedWindow, compared
from longpole.analyzer.reports.services_over_time import figures_of, operations_of
from longpole.storage.ports import RedQuery, TraceReader


def service_over_time(
    reader: TraceReader, service: str, window: RedWindow
) -> dict[str, Any] | None:
    """Figures, series, latency histograms by step, and every operation of one service with a
    trend; None when it has no settled span in the window."""
    query = RedQuery(window.time, window.step_ns, (service,), by_operation=True)
    rows = reader.red_series(query)
    pairs = compared(reader, window, (service,), by_operation=True)
    held = rows.rows.to_pylist()
    if not held:
        return None
    now, before = pairs.now.rows.to_pylist(), pairs.before.rows.to_pylist()
    figures = figures_of(now, window.seconds)
    earlier = figures_of(before, pairs.window_before.seconds) if before else None
    steps = service_steps(held, window)
    by_operation: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in held:
        by_operation[row["operation"]].append(row)
    operations = [
        {**one, "trend_p95_ns": _trend(by_operation[one["operation"]], window)}
        for one in operations_of(pairs, window)
    ]
    operations.sort(key=lambda one: (-one["critical_ns"], -one["count"], one["operation"]))
    return {
        "service": service,
        "window": window.document(),
        "compared_with": pairs.document(),
        **figures,
        "before": earlier,
        "change": change(figures, earlier) if earlier else None,
        "series": series_document(steps, with_exemplars=True),
        "heat": heat_document(steps),
        "operations": operations,
        "unsettled": rows.unsettled,
    }


def operation_over_time(
    reader: TraceReader, service: str, operation: str, window: RedWindow
) -> dict[str, Any] | None:
    """Figures, series and latency histograms by step of one operation; None when it has no
    settled span in the window. Spans of every kind count."""
    query = RedQuery(window.time, window.step_ns, (service,), operation)
    rows = reader.red_series(query)
    pairs = compared(reader, window, (service,), operation)
    now, before = pairs.now.rows.to_pylist(), pairs.before.rows.to_pylist()
    if not now:
        return None
    figures = summed(now).document(window.seconds)
    earlier = summed(before).document(pairs.window_before.seconds) if before else None
    steps = by_step(rows.rows.to_pylist(), window)
    return {
        "service": service,
        "operation": operation,
        "kinds": sorted({row["kind"] for row in now}),
        "window": window.document(),
        "compared_with": pairs.document(),
        **figures,
        "before": earlier,
        "change": change(figures, earlier) if earlier else None,
        "series": series_document(steps, with_exemplars=True),
        "heat": heat_document(steps),
        "unsettled": rows.unsettled,
    }


def _trend(rows: list[Mapping[str, Any]], window: RedWindow) -> list[int | None]:
    document = series_document(by_step(runs_of(rows), window))
    trend: list[int | None] = document["p95_ns"]
    return trend
