"""Rate limits in one trace: who was told that there are too many requests."""

from __future__ import annotations

from collections.abc import Iterator

from longpole.analyzer.calls import peer_of
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.detector import Detector, fingerprint_of
from longpole.analyzer.findings.evidence import found
from longpole.analyzer.findings.failures import HTTP_STATUS
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.wording import counted, named
from longpole.model.finding import Finding, FindingSeverity
from longpole.model.span import SpanKind

IDENTIFIER = "rate_limited"
GRPC_STATUS = ("rpc.grpc.status_code",)
REFUSED_HTTP, REFUSED_GRPC = 429, "8"  # Too Many Requests, RESOURCE_EXHAUSTED
ACTION = (
    "Find out who sends so much, and let them slow down: respect Retry-After, back off with "
    "jitter, ask for many things at once, or cache. If the load is wanted, raise the limit."
)


def fingerprint(service: str, operation: str) -> str:
    """Of the fault that a service refuses an operation."""
    return fingerprint_of(IDENTIFIER, service, operation)


def _refusals(spans: PathSpans) -> list[int]:
    """The spans that say so, of either side of a call."""
    found: set[int] = set()
    for keys, refused in ((HTTP_STATUS, str(REFUSED_HTTP)), (GRPC_STATUS, REFUSED_GRPC)):
        texts = spans.texts(keys)
        if texts is not None and refused in texts:
            found.update(index for index, text in enumerate(texts) if text == refused)
    return sorted(i for i in found if spans.kinds[i] in (SpanKind.SERVER, SpanKind.CLIENT))


def _look(explanation: Explanation, _: Thresholds) -> Iterator[Finding]:
    spans, children = explanation.spans, explanation.tree.children
    groups: dict[tuple[str, str], list[int]] = {}
    refusals = _refusals(spans)
    if not refusals:
        return
    for index in refusals:
        kind = spans.kinds[index]
        if kind == SpanKind.SERVER:
            groups.setdefault((spans.services[index], spans.names[index]), []).append(index)
        elif not any(spans.kinds[child] == SpanKind.SERVER for child in children[index]):
            peer = peer_of(spans, index) or spans.services[index]
            groups.setdefault((peer, spans.names[index]), []).append(index)
    for (service, operation), refused in sorted(groups.items()):
        finding = found(
            explanation,
            IDENTIFIER,
            refused[0],
            refused,
            saving_ns=0,
            reason=f"{named(service)} refuses {counted(len(refused), 'request')} for "
            f"{named(operation)}: a rate limit is reached.",
            action=ACTION,
            severity=FindingSeverity.INFO,
        )
        yield Finding(
            detector=finding.detector,
            severity=finding.severity,
            trace_id=finding.trace_id,
            span_ids=finding.span_ids,
            service=service,
            operation=operation,
            saving_ns=0,
            reason=finding.reason,
            action=finding.action,
            fingerprint=fingerprint(service, operation),
        )


DETECTORS: tuple[Detector, ...] = (
    Detector(
        IDENTIFIER,
        "A rate limit refuses a request",
        "A service answered 429 or RESOURCE_EXHAUSTED (by its own span, else by that of its "
        "caller). Information in one trace.",
        _look,
    ),
)
