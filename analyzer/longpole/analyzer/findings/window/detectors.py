"""The window detectors, and what each of them says of one window."""

from __future__ import annotations

from collections.abc import Sequence

from loguru import logger

from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.findings.window import (
    log_burst,
    pauses,
    queue_lag,
    rate_limited,
    retries,
    slow_query,
    version_regression,
)
from longpole.analyzer.findings.window.window import Window, WindowDetector, WindowFinding

WINDOW_DETECTORS: tuple[WindowDetector, ...] = (
    slow_query.DETECTOR,
    retries.DETECTOR,
    queue_lag.DETECTOR,
    rate_limited.DETECTOR,
    pauses.DETECTOR,
    version_regression.DETECTOR,
    log_burst.DETECTOR,
)


def detect_in_window(
    window: Window,
    thresholds: Thresholds,
    detectors: Sequence[WindowDetector] = WINDOW_DETECTORS,
) -> list[WindowFinding]:
    """What they say, in the order of the detectors. One that fails is logged and says nothing."""
    findings: list[WindowFinding] = []
    for detector in detectors:
        try:
            findings.extend(detector.look(window, thresholds))
        except Exception:  # a bug of one detector must not cost the others
            logger.exception("The window detector {} failed", detector.identifier)
    return findings
