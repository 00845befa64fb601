"""Thresholds: from where on the detectors speak."""

from __future__ import annotations

import re
from dataclasses import dataclass

from longpole.analyzer.wording import duration_text, share_text

_MS = 1_000_000
_NAME = re.compile(r"`([a-z_]+)`")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Times in nanoseconds, sizes in bytes, shares from 0 to 1. The defaults are those that the
    published tools use, where they are known, or stricter."""

    n_plus_one_calls: int = 5
    n_plus_one_critical_calls: int = 20
    n_plus_one_total_ns: int = 50 * _MS
    n_plus_one_share: float = 0.10
    n_plus_one_least_ns: int = 10 * _MS
    redundant_calls: int = 3
    redundant_saving_ns: int = 20 * _MS
    sequential_calls: int = 3
    sequential_saving_ns: int = 50 * _MS
    sequential_saving_share: float = 0.10
    slow_db_query_ns: int = 500 * _MS
    large_payload_bytes: int = 1_000_000
    large_slow_payload_bytes: int = 300_000
    large_slow_payload_ns: int = 100 * _MS
    fanout_calls: int = 20
    fanout_critical_calls: int = 60
    fanout_saving_share: float = 0.10
    chatty_calls: int = 15
    chatty_saving_share: float = 0.10
    pool_wait_share: float = 0.20
    pool_wait_ns: int = 20 * _MS
    pool_wait_warning_ns: int = 100 * _MS
    pool_wait_warning_share: float = 0.50
    pool_queries_at_once: int = 10
    retry_attempts: int = 3
    retry_storm_attempts: int = 4
    retry_pause_ns: int = 100 * _MS
    gap_ns: int = 100 * _MS
    gap_share: float = 0.10
    gap_warning_ns: int = 500 * _MS
    circuit_open_ns: int = 5 * _MS
    error_critical_services: int = 4
    queue_lag_ns: int = 1_000 * _MS
    queue_lag_critical_ns: int = 30_000 * _MS
    poison_deliveries: int = 3
    chain_services: int = 6
    chain_critical_services: int = 9
    chain_hop_share: float = 0.50
    cold_start_ns: int = 500 * _MS
    clock_skew_ns: int = 2 * _MS
    clock_skew_warning_ns: int = 50 * _MS
    # Rules that look at many traces at once.
    rate_limited_count: int = 10
    rate_limited_share: float = 0.05
    pause_ns: int = 300 * _MS
    pause_wait_ns: int = 50 * _MS
    pause_requests: int = 2
    version_least_spans: int = 4
    version_slower_ns: int = 20 * _MS
    version_slower_ratio: float = 1.5
    version_error_share: float = 0.10
    version_chance: float = 0.001
    log_burst_count: int = 20
    log_burst_ratio: float = 5.0
    queue_lag_messages: int = 5
    queue_lag_growth_share: float = 0.10
    slow_query_samples: int = 20
    slow_query_baseline_ratio: float = 3.0
    slow_query_growth: float = 2.0
    slow_query_least_ns: int = 20 * _MS
    fleet_retries: int = 10
    fleet_retry_share: float = 0.10
    fleet_retry_error_share: float = 0.20


def in_figures(rule: str, thresholds: Thresholds) -> str:
    """A rule in words with the value of each threshold in the place of its name."""

    def figure(found: re.Match[str]) -> str:
        name = found[1]
        held = getattr(thresholds, name, None)
        if held is None:
            return found[0]
        if name.endswith("_ns"):
            return duration_text(held)
        if name.endswith("_share"):
            return share_text(held)
        return f"{held:,} bytes" if name.endswith("_bytes") else f"{held:,}"

    return _NAME.sub(figure, rule)
