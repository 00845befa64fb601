"""Usual runs: how one span compares with the other runs of its operation around its trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from longpole.analyzer.correlation.red_context import Red, red_context
from longpole.analyzer.correlation.settings import ContextSettings
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader

_LATEST = (1 << 63) - 1
_EARLIEST = -(1 << 63)


@dataclass(frozen=True, slots=True)
class Run:
    """One span as one run of its operation."""

    service: str
    operation: str
    kind: int
    duration_ns: int


def usual_runs(
    reader: TraceReader,
    run: Run,
    trace: tuple[int, int],
    settings: ContextSettings | None = None,
) -> dict[str, Any] | None:
    """The other runs near a trace (its start and duration): how many were faster, and rate, errors
    and durations now and before. None when nothing is known of others."""
    chosen = settings or ContextSettings()
    near = time_around(trace, chosen.around_ns, chosen.around_ns)
    time = time_around(trace, chosen.before_ns + chosen.around_ns, chosen.around_ns)
    rows = reader.red_rows(time, run.service, run.operation).to_pylist()
    found = red_context(rows, run.duration_ns, run.kind, (near.start_unix_nano, near.end_unix_nano))
    if found is None:
        return None
    return {
        "others": found.others,
        "faster_share_low": round(found.faster_low, 6),
        "faster_share_high": round(found.faster_high, 6),
        "now": _rates(found.now),
        "before": _rates(found.before) if found.before is not None else None,
    }


def time_around(trace: tuple[int, int], before: int, after: int) -> TimeRange:
    """From so many nanoseconds before the start of a trace to so many after its end."""
    start, duration = trace
    return TimeRange(max(_EARLIEST, start - before), min(_LATEST, start + duration + after + 1))


def _rates(red: Red) -> dict[str, Any]:
    return {
        "count": red.count,
        "rate_per_second": round(red.rate, 6),
        "error_ratio": round(red.error_ratio, 6),
        "p50_ns": red.p50_ns,
        "p95_ns": red.p95_ns,
    }
