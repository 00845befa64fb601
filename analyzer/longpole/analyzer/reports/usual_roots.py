"""Usual roots: how a trace compares with other traces of its root operation around it.

Roots are compared with roots: an inner span of the same operation, such as a service that calls
itself, is another kind of run. Durations are exact, so the rank is one number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from longpole.analyzer.compare.band import percentile_ns
from longpole.analyzer.correlation.settings import ContextSettings
from longpole.analyzer.reports.usual_runs import time_around
from longpole.analyzer.verdict import BEGINNINGS, Failure
from longpole.model.ids import parse_trace_id, split_trace_id
from longpole.storage.ports import TraceReader

MOST_LOOKED_AT = 5_000
# A trace is told to be slower than usual only where that is plain: among at least so many others,
# slower than this share of them *and* longer than so many medians, by at least that much, *and* so
# many times as far from the median as the 95th percentile is. One of a hundred healthy traces is
# beyond the 99th percentile; where durations are short, a busy machine alone makes some of them
# take four medians, but then it makes a long tail, too.
FEWEST_OTHERS = 30
SLOW_TIERS = ((0.99, 3, 3), (0.95, 10, 0))
_FEWEST_MEDIANS = min(medians for _, medians, _ in SLOW_TIERS)
LEAST_DIFFERENCE_NS = 5_000_000
SLOW = "slower than usual, no known pattern"


@dataclass(frozen=True, slots=True)
class RootRun:
    """One trace as one run of its root operation; times in nanoseconds."""

    trace_id: int
    service: str
    operation: str
    start_unix_nano: int
    duration_ns: int

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> RootRun | None:
        """From the report of a trace; None for one without its true root."""
        root = summary["root"]
        if root["service"] is None or summary["completeness"]["headless"]:
            return None
        return cls(
            parse_trace_id(summary["trace_id"]), root["service"], root["operation"],
            summary["start_unix_nano"], summary["duration_ns"],
        )  # fmt: skip


def usual_roots(
    reader: TraceReader, run: RootRun, settings: ContextSettings | None = None
) -> dict[str, Any] | None:
    """Settled traces of the same root from some minutes before the trace to shortly after it, at
    most the newest `MOST_LOOKED_AT`, those without their true root left out: how many `others`,
    which share of them was faster (`faster_share_low` and `_high` are equal), their quantiles as
    `now`, and `is_slow`: whether the trace is plainly slower than usual. None without others."""
    chosen = settings or ContextSettings()
    time = time_around(
        (run.start_unix_nano, run.duration_ns),
        chosen.before_ns + chosen.around_ns, chosen.around_ns,
    )  # fmt: skip
    found = reader.root_runs(run.service, run.operation, time, MOST_LOOKED_AT)
    high, low = split_trace_id(run.trace_id)
    is_other = ~found.column("headless").to_numpy(zero_copy_only=False).astype(bool)
    is_other &= (found.column("trace_hi").to_numpy() != np.uint64(high)) | (
        found.column("trace_lo").to_numpy() != np.uint64(low)
    )
    durations = found.column("duration_ns").to_numpy()[is_other].astype(np.int64)
    if not durations.size:
        return None
    others = int(durations.size)
    faster = round(int((durations < run.duration_ns).sum()) / others, 6)
    return {
        "others": others,
        "faster_share_low": faster,
        "faster_share_high": faster,
        "now": {
            "count": others + 1,
            "p50_ns": percentile_ns(durations, 50),
            "p95_ns": percentile_ns(durations, 95),
            "p99_ns": percentile_ns(durations, 99),
        },
        "is_slow": is_slow_among(run.duration_ns, durations),
    }


def with_usual(report: dict[str, Any], usual: dict[str, Any] | None) -> None:
    """Add `usual` to the report of a trace, and say in its line and `is_unusual` that the trace is
    slow where nothing else was found."""
    report["usual"] = usual
    line = report["verdict_line"]
    if usual and usual["is_slow"] and slow_line(line) != line:
        report["is_unusual"] = True
        report["verdict_line"] = slow_line(line)


def slow_line(line: str) -> str:
    """The line of a slow trace's verdict: that it is slow where it says that nothing is unusual."""
    usually = BEGINNINGS[Failure.NONE]
    return SLOW + line.removeprefix(usually) if line.startswith(usually) else line


def is_slow_among(duration_ns: int, durations: npt.NDArray[np.int64]) -> bool:
    """Whether a run is plainly slower than the others of its root operation, whose durations these
    are."""
    if durations.size < FEWEST_OTHERS:
        return False
    median_ns = percentile_ns(durations, 50) or 0
    excess_ns = duration_ns - median_ns
    if excess_ns < LEAST_DIFFERENCE_NS or duration_ns <= median_ns * _FEWEST_MEDIANS:
        return False  # as most are: each row of a list is asked about
    p95_ns = percentile_ns(durations, 95) or 0
    faster_share = int((durations < duration_ns).sum()) / durations.size
    return any(
        faster_share >= share
        and duration_ns > medians * median_ns
        and excess_ns > tails * (p95_ns - median_ns)
        for share, medians, tails in SLOW_TIERS
    )
