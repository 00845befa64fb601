"""Leads: which findings of one trace are its answer, and which one is told first."""

from __future__ import annotations

from collections.abc import Sequence

from longpole.analyzer.advice import Confidence
from longpole.analyzer.findings.detect import severity_rank
from longpole.model.finding import Finding, FindingSeverity

# Those that read a meaning into what they see; all others say what spans say themselves.
_LIKELY = frozenset(
    {
        "uninstrumented_gap",
        "sequential_calls",
        "deep_sync_chain",
        "chatty_service",
        "clock_skew",
        "timeout_inversion",
    }
)


def leads(findings: Sequence[Finding], duration_ns: int) -> list[Finding]:
    """The findings of level warning or above of a trace of this duration, the answer first."""
    grave = [f for f in findings if f.severity != FindingSeverity.INFO]
    if len(grave) > 1:
        grave.sort(key=lambda f: (severity_rank(f.severity), -f.saving_ns, f.fingerprint))
    return grave


def certainty_of(finding: Finding) -> Confidence:
    """How far to trust a finding."""
    return Confidence.MEDIUM if finding.detector in _LIKELY else Confidence.HIGH
