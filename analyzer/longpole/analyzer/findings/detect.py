"""Detection: every detector looks at one explained trace."""

from __future__ import annotations

from collections.abc import Sequence

from loguru import logger

from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.catalogue import DETECTORS
from longpole.analyzer.findings.detector import Detector
from longpole.analyzer.findings.survey import forget
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.model.finding import Finding, FindingSeverity
from longpole.model.ids import trace_id_hex
from longpole.model.span import StatusCode

_RANK = {FindingSeverity.CRITICAL: 0, FindingSeverity.WARNING: 1, FindingSeverity.INFO: 2}
_DEFAULTS = Thresholds()


def severity_rank(severity: str) -> int:
    """0 for the gravest; so severities sort."""
    return _RANK[FindingSeverity(severity)]


def detect(
    explanation: Explanation,
    thresholds: Thresholds = _DEFAULTS,
    detectors: Sequence[Detector] = DETECTORS,
) -> tuple[Finding, ...]:
    """What the detectors say of one trace: most time saved on its critical path first, then
    the gravest.

    A detector that fails is logged and says nothing; the others are heard all the same.
    """
    if explanation.root < 0:
        return ()
    findings: list[Finding] = []
    has_failed = StatusCode.ERROR in explanation.spans.status_codes
    try:
        for detector in detectors:
            if detector.needs_failure and not has_failed:
                continue
            try:
                findings.extend(detector.look(explanation, thresholds))
            except Exception:  # a bug of one detector must not cost the trace
                logger.exception(
                    "The detector {} failed on trace {}",
                    detector.identifier,
                    trace_id_hex(explanation.trace_id),
                )
    finally:
        forget()
    if len(findings) > 1:
        findings.sort(
            key=lambda f: (-f.saving_ns, _RANK[f.severity], f.detector, f.fingerprint, f.span_ids)
        )
    return tuple(findings)
