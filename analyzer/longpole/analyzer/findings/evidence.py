"""Evidence: makes a finding of the spans that show a fault."""

from __future__ import annotations

from collections.abc import Sequence

from longpole.analyzer.calls import without_ids
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.detector import fingerprint_of
from longpole.model.finding import Finding, FindingSeverity

MOST_SPAN_IDS = 50  # named by a finding; its reason tells the full number


def found(
    explanation: Explanation,
    detector: str,
    at: int,
    evidence: Sequence[int],
    *,
    saving_ns: int,
    reason: str,
    action: str,
    severity: FindingSeverity = FindingSeverity.WARNING,
    where: Sequence[str] = (),
    matters_off_path: bool = False,
) -> Finding:
    """The finding whose service and operation are those of span `at`.

    Without any saving on the critical path it is of level info, unless it `matters_off_path`.
    `where` are further words that tell two faults of one operation apart (a query, a peer);
    ids in all of them are taken out, so that the fingerprint is that of the fault.
    """
    spans = explanation.spans
    service, operation = spans.services[at], spans.names[at]
    if saving_ns <= 0 and not matters_off_path:
        severity = FindingSeverity.INFO
    ids = dict.fromkeys(spans.span_ids[index] for index in evidence[:MOST_SPAN_IDS])
    return Finding(
        detector=detector,
        severity=severity,
        trace_id=explanation.trace_id,
        span_ids=tuple(ids),
        service=service,
        operation=operation,
        saving_ns=max(0, saving_ns),
        reason=reason,
        action=action,
        fingerprint=fingerprint_of(
            detector, service, without_ids(operation), *(without_ids(word) for word in where)
        ),
    )
