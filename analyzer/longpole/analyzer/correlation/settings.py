"""How far around a trace the correlation looks, and from where on it speaks."""

from __future__ import annotations

from dataclasses import dataclass

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ContextSettings:
    """Times in nanoseconds. `around_ns` before and after a trace is "now", `before_ns` ahead of
    that the baseline; at most `most_logs` records of a service are read."""

    around_ns: int = 30 * _SECOND_NS
    before_ns: int = 600 * _SECOND_NS
    most_entries: int = 3
    most_logs: int = 20_000
    most_lines: int = 3
    most_patterns: int = 3
    most_moves: int = 3
    most_gaps: int = 3
    least_listed_gap_ns: int = 1_000_000
    least_gap_ns: int = 10_000_000
    least_gap_share: float = 0.05
    least_metric_z: float = 6.0
