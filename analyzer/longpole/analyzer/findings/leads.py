"""Leads: which findings of one trace are its answer, and which one is told first."""

from __future__ import annotations

from collections.abc import Sequence

from longpole.analyzer.advice import Confidence
from longpole.analyzer.findings.detect import severity_rank
from longpole.model.finding import Finding, FindingSeverity

# The request did not do what it was asked for: nobody cares then how long it took.
_FAILURES = frozenset(
    {
        "saga_uncompensated",
        "saga_compensation",
        "circuit_open",
        "rate_limited",
        "error_propagation",
        "poison_message",
    }
)
_STORM = "retry_storm"
_SKEW = "clock_skew"
_GAP = "uninstrumented_gap"
# A gap says where, but not why: it is told before causes that are known only if it holds so much
# of the path, and they so little.
_GREAT_GAP_SHARE = 0.5
_SMALL_CAUSE_SHARE = 0.1

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
    """The findings of level warning or above of a trace of this duration, the answer first.

    Failures come first (of them the gravest), but after the storm of retries that they end;
    then clocks that disagree, since no time can be read before that is known; then causes, most
    time on the path first; then gaps.
    """
    grave = [f for f in findings if f.severity != FindingSeverity.INFO]
    if len(grave) < 2:
        return grave
    failed = {span for f in grave if f.detector in _FAILURES for span in f.span_ids}

    def rank(finding: Finding) -> int:
        if finding.detector == _STORM and not failed.isdisjoint(finding.span_ids):
            return 0
        if finding.detector in _FAILURES:
            return 1
        if finding.detector == _SKEW:
            return 2
        if finding.detector == _GAP:
            is_great = finding.saving_ns >= _GREAT_GAP_SHARE * duration_ns
            return 4 if is_great else 6
        is_small = finding.saving_ns < _SMALL_CAUSE_SHARE * duration_ns
        return 5 if is_small else 3

    return sorted(
        grave,
        key=lambda f: (
            rank(f),
            severity_rank(f.severity) if f.detector in _FAILURES else 0,
            -f.saving_ns,
            severity_rank(f.severity),
            f.fingerprint,
        ),
    )


def certainty_of(finding: Finding) -> Confidence:
    """How far to trust a finding."""
    return certainty_of_detector(finding.detector)


def certainty_of_detector(identifier: str) -> Confidence:
    """How far to trust what a detector says."""
    return Confidence.MEDIUM if identifier in _LIKELY else Confidence.HIGH
