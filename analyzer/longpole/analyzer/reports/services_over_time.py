"""The report of all services over time: figures, what they were before, and where time goes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from longpole.analyzer.red.figures import ENTRY_KINDS, change, runs_of, summed
from longpole.analyzer.red.series import series_document, service_steps
from longpole.analyzer.red.window import Compared, RedWindow, compared
from longpole.storage.ports import RedQuery, TraceReader

Rows = list[Mapping[str, Any]]
# From services with their figures the names of those that a reader sees.
Shown = Callable[[Sequence[Mapping[str, Any]]], Sequence[str]]
MOST_OPERATIONS = 10


def services_over_time(
    reader: TraceReader, window: RedWindow, shown: Shown | None = None
) -> dict[str, Any]:
    """Every service that ran in the window, most critical-path time first; the operations that
    hold most critical-path time, that are slowest and that fail most.

    The figures of a service are those of its runs (`figures.runs_of`), its critical-path time that
    of all its spans. `unsettled` traces are not in any figure yet.

    With `shown` only the services that it names get `series`, which are most of the work, and
    `runs_by_step` are the runs of all together.
    """
    by_service = reader.red_series(RedQuery(window.time, window.step_ns))
    pairs = compared(reader, window, by_operation=True)
    steps = _grouped(by_service.rows.to_pylist(), "service")
    now = _grouped(pairs.now.rows.to_pylist(), "service")
    before = _grouped(pairs.before.rows.to_pylist(), "service")
    services = [
        _service(name, rows, before.get(name, []), window, pairs) for name, rows in now.items()
    ]
    services.sort(key=lambda one: (-one["critical_ns"], one["service"]))
    wanted = set(now) if shown is None else set(shown(services))
    for one in services:
        if one["service"] in wanted:
            held = service_steps(steps.get(one["service"], []), window)
            one["series"] = series_document(held)
    operations = operations_of(pairs, window)
    together = {} if shown is None else {"runs_by_step": _runs_by_step(steps, window)}
    return {
        **together,
        "window": window.document(),
        "compared_with": pairs.document(),
        "services": services,
        "bottlenecks": _most(operations, "critical_ns"),
        "slowest": _most([one for one in operations if one["is_entry"]], "p95_ns"),
        "failing": _most(operations, "errors"),
        "unsettled": by_service.unsettled,
    }


def operations_of(pairs: Compared, window: RedWindow) -> list[dict[str, Any]]:
    """Every operation of every service in these rows with figures, and those of before."""
    before = {
        key: summed(rows).document(pairs.window_before.seconds)
        for key, rows in _operations(pairs.before.rows.to_pylist()).items()
    }
    whole_ns = sum(pairs.now.rows.column("critical_ns").to_pylist())
    found = []
    for (service, operation), rows in _operations(pairs.now.rows.to_pylist()).items():
        sums = summed(rows)
        figures = sums.document(window.seconds)
        earlier = before.get((service, operation))
        found.append(
            {
                "service": service,
                "operation": operation,
                "kinds": sorted({row["kind"] for row in rows}),
                "is_entry": any(row["kind"] in ENTRY_KINDS for row in rows),
                **figures,
                "critical_share": round(figures["critical_ns"] / whole_ns, 6) if whole_ns else 0.0,
                "exemplar": None if sums.exemplar is None else f"{sums.exemplar:032x}",
                "before": earlier,
                "change": change(figures, earlier) if earlier else None,
            }
        )
    return found


def _runs_by_step(steps: Mapping[str, Rows], window: RedWindow) -> list[int]:
    counts = [0] * len(window.steps)
    for rows in steps.values():
        for row in runs_of(rows):
            counts[(row["step_unix_nano"] - window.time.start_unix_nano) // window.step_ns] += row[
                "count"
            ]
    return counts


def _service(
    name: str, rows: Rows, before: Rows, window: RedWindow, pairs: Compared
) -> dict[str, Any]:
    figures = figures_of(rows, window.seconds)
    earlier = figures_of(before, pairs.window_before.seconds) if before else None
    return {
        "service": name,
        **figures,
        "operation_count": len({row["operation"] for row in rows}),
        "before": earlier,
        "change": change(figures, earlier) if earlier else None,
    }


def figures_of(rows: Rows, seconds: float) -> dict[str, Any]:
    """The figures of one service's runs, and the critical-path time of all its spans."""
    document = summed(runs_of(rows)).document(seconds)
    document["critical_ns"] = sum(row["critical_ns"] for row in rows)
    return document


def _operations(rows: Rows) -> dict[tuple[str, str], Rows]:
    grouped: dict[tuple[str, str], Rows] = defaultdict(list)
    for row in rows:
        grouped[row["service"], row["operation"]].append(row)
    return grouped


def _grouped(rows: Iterable[Mapping[str, Any]], name: str) -> dict[str, Rows]:
    grouped: dict[str, Rows] = defaultdict(list)
    for row in rows:
        grouped[row[name]].append(row)
    return grouped


def _most(operations: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    chosen = [one for one in operations if one[name]]
    chosen.sort(key=lambda one: (-one[name], one["service"], one["operation"]))
    return chosen[:MOST_OPERATIONS]
