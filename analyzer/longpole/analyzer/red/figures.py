"""Rate, errors and durations as figures: sums of RED rows, and what people ask of them.

Histograms have fixed bounds, so quantiles are interpolated within a bucket and approximate; one
beyond the last bound is None.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from longpole.analyzer.correlation.red_context import quantile_ns
from longpole.model.columns import RED_BOUNDS_NS
from longpole.model.span import SpanKind

ENTRY_KINDS = frozenset({SpanKind.SERVER, SpanKind.CONSUMER})
_INNER_KINDS = frozenset({SpanKind.UNSPECIFIED, SpanKind.INTERNAL})
QUANTILES = {"p50_ns": 0.5, "p95_ns": 0.95, "p99_ns": 0.99}


@dataclass(slots=True)
class Sums:
    """Sums of RED rows; `exemplar` is the trace of the row with the highest mean duration."""

    count: int = 0
    errors: int = 0
    duration_sum_ns: int = 0
    critical_ns: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(RED_BOUNDS_NS) + 1))
    exemplar: int | None = None
    error_exemplar: int | None = None
    _slowest_ns: int = -1

    def add(self, row: Mapping[str, Any]) -> None:
        """One more row of `RedSeries`."""
        self.count += row["count"]
        self.errors += row["errors"]
        self.duration_sum_ns += row["duration_sum_ns"]
        self.critical_ns += row["critical_ns"]
        for place, count in enumerate(row["bucket_counts"]):
            self.buckets[place] += count
        trace_id = row["exemplar_hi"] << 64 | row["exemplar_lo"]
        mean_ns = row["duration_sum_ns"] // max(1, row["count"])
        if mean_ns > self._slowest_ns:
            self._slowest_ns, self.exemplar = mean_ns, trace_id
        if row["errors"]:
            self.error_exemplar = trace_id

    def document(self, seconds: float) -> dict[str, Any]:
        """The figures over that much time; `rate` is in runs a second."""
        return {
            "count": self.count,
            "rate": round(self.count / seconds, 6),
            "errors": self.errors,
            "error_share": round(self.errors / self.count, 6) if self.count else 0.0,
            "mean_ns": self.duration_sum_ns // self.count if self.count else None,
            **{name: self.quantile_ns(part) for name, part in QUANTILES.items()},
            "critical_ns": self.critical_ns,
        }

    def quantile_ns(self, quantile: float) -> int | None:
        """Of the durations; see `red_context.quantile_ns`."""
        return quantile_ns(self.buckets, quantile, self.duration_sum_ns)


def summed(rows: Iterable[Mapping[str, Any]]) -> Sums:
    """All rows together."""
    sums = Sums()
    for row in rows:
        sums.add(row)
    return sums


def runs_of(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows that count as the runs of one service: requests and messages that came in; for a
    service without any its inner spans, else whatever it has."""
    held = list(rows)
    for kinds in (ENTRY_KINDS, _INNER_KINDS):
        chosen = [row for row in held if row["kind"] in kinds]
        if chosen:
            return chosen
    return held


def change(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """How much each figure grew: rates, durations and critical time as a ratio minus 1, the share
    of errors as a difference. None where there is nothing to compare with."""
    return {
        **{name: _grown(now[name], before[name]) for name in ("rate", *QUANTILES, "critical_ns")},
        "error_share": round(now["error_share"] - before["error_share"], 6)
        if before["count"]
        else None,
    }


def _grown(now: float | None, before: float | None) -> float | None:
    return round(now / before - 1, 6) if now is not None and before else None
