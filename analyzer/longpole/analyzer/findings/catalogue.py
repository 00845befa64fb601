"""The catalogue: every detector, in the order in which the docs list them."""

from __future__ import annotations

from longpole.analyzer.findings import (
    chains,
    circuit_open,
    clock_skew,
    cold_start,
    errors,
    fanout,
    gaps,
    n_plus_one,
    payload,
    pool_wait,
    queues,
    rate_limited,
    redundant_call,
    retry_storm,
    sagas,
    sequential_calls,
    shared_database,
    slow_query,
    timeouts,
)
from longpole.analyzer.findings.detector import Detector

DETECTORS: tuple[Detector, ...] = (
    *n_plus_one.DETECTORS,
    *redundant_call.DETECTORS,
    *sequential_calls.DETECTORS,
    *slow_query.DETECTORS,
    *pool_wait.DETECTORS,
    *payload.DETECTORS,
    *fanout.DETECTORS,
    *retry_storm.DETECTORS,
    *timeouts.DETECTORS,
    *errors.DETECTORS,
    *circuit_open.DETECTORS,
    *rate_limited.DETECTORS,
    *chains.DETECTORS,
    *sagas.DETECTORS,
    *queues.DETECTORS,
    *shared_database.DETECTORS,
    *cold_start.DETECTORS,
    *gaps.DETECTORS,
    *clock_skew.DETECTORS,
)

BY_IDENTIFIER = {detector.identifier: detector for detector in DETECTORS}
