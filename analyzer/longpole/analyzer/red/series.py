"""RED rows by step as series: a number for each step, None where nothing ran."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from longpole.analyzer.red.figures import QUANTILES, Sums, runs_of
from longpole.analyzer.red.window import RedWindow
from longpole.model.columns import RED_BOUNDS_NS
from longpole.model.ids import trace_id_hex


def by_step(rows: Iterable[Mapping[str, Any]], window: RedWindow) -> list[Sums]:
    """The sums of each step of the window."""
    sums = [Sums() for _ in window.steps]
    for row in rows:
        sums[(row["step_unix_nano"] - window.time.start_unix_nano) // window.step_ns].add(row)
    return sums


def service_steps(rows: list[Mapping[str, Any]], window: RedWindow) -> list[Sums]:
    """The sums of each step over the runs of one service, with the critical-path time of all its
    spans."""
    steps = by_step(runs_of(rows), window)
    for one, whole in zip(steps, by_step(rows, window), strict=True):
        one.critical_ns = whole.critical_ns
    return steps


def series_document(steps: list[Sums], *, with_exemplars: bool = False) -> dict[str, Any]:
    """Counts, errors, quantiles and critical time of each step."""
    document: dict[str, Any] = {
        "count": [one.count for one in steps],
        "errors": [one.errors for one in steps],
        **{name: [one.quantile_ns(part) for one in steps] for name, part in QUANTILES.items()},
        "critical_ns": [one.critical_ns for one in steps],
    }
    if with_exemplars:
        document["exemplars"] = [_hex(one.exemplar) for one in steps]
        document["error_exemplars"] = [_hex(one.error_exemplar) for one in steps]
    return document


def heat_document(steps: list[Sums]) -> dict[str, Any]:
    """How many runs of each step took how long: `counts[step][bucket]`; bucket i ends at
    `bounds_ns[i]`, which belongs to it, and the last one has no end."""
    return {"bounds_ns": list(RED_BOUNDS_NS), "counts": [one.buckets for one in steps]}


def _hex(trace_id: int | None) -> str | None:
    return None if trace_id is None else trace_id_hex(trace_id)
