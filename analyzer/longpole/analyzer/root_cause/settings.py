"""From where on the search for a cause believes what it sees."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RootCauseSettings:
    """Times in nanoseconds, shares and rates a trace. The defaults keep quiet on two windows of
    a healthy system of whose requests some are always slow.

    The score of a clear cause is at least `least_score` and `separation` times that of the next
    suspect that has nothing to do with it.
    """

    most_traces: int = 5_000
    most_logs: int = 100_000
    fewest_traces: int = 3
    least_latency_ns: int = 2_000_000
    least_latency_share: float = 0.10
    least_latency_ratio: float = 1.5
    least_z: float = 4.0
    least_outliers: int = 4
    least_failures: int = 3
    least_failure_rate: float = 0.01
    least_error_z: float = 2.0
    least_stubborn_failures: int = 6
    least_calls: int = 4
    least_call_ratio: float = 1.5
    least_queue_ns: int = 200_000_000
    least_queue_z: float = 3.0
    least_abreast_ratio: float = 1.5
    least_records: int = 5
    least_record_ratio: float = 2.0
    least_log_z: float = 3.0
    least_metric_z: float = 6.0
    least_score: float = 0.3
    separation: float = 1.2
