"""Rate limits: a service refuses requests because there are too many of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from longpole.analyzer.calls import PEER
from longpole.analyzer.findings.failures import HTTP_STATUS
from longpole.analyzer.findings.rate_limited import (
    ACTION,
    GRPC_STATUS,
    IDENTIFIER,
    REFUSED_GRPC,
    REFUSED_HTTP,
    fingerprint,
)
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.findings.window.span_columns import NO_ROW, Bools, SpanColumns
from longpole.analyzer.findings.window.window import Window, WindowDetector, WindowFinding
from longpole.analyzer.wording import counted, named, share_text
from longpole.model.finding import FindingSeverity
from longpole.model.span import SpanKind


def refusals(spans: SpanColumns) -> Bools:
    """Spans that say that their request was one too many."""
    http = spans.words(*HTTP_STATUS).among({str(REFUSED_HTTP)})
    return http | spans.words(*GRPC_STATUS).among({REFUSED_GRPC})


def _look(window: Window, thresholds: Thresholds) -> Iterator[WindowFinding]:
    spans = window.spans
    refused = refusals(spans) & spans.is_inside
    if not refused.any():
        return
    is_server = spans.kinds == SpanKind.SERVER
    # A callee that sends no spans of its own is only known by its callers.
    answered = np.zeros(len(spans), dtype=np.bool_)
    answered[spans.parents[is_server & (spans.parents != NO_ROW)]] = True
    is_asked = is_server | ((spans.kinds == SpanKind.CLIENT) & ~answered)
    refused &= is_asked
    peers = spans.words(*PEER)
    keys = spans.service.codes * len(spans.name.texts) + spans.name.codes
    for key in np.unique(keys[refused]):
        same = np.flatnonzero((keys == key) & is_asked & spans.is_inside)
        rows = same[refused[same]]
        share = len(rows) / len(same)
        if len(rows) < thresholds.rate_limited_count or share < thresholds.rate_limited_share:
            continue
        first = int(rows[0])
        own, operation = spans.service.of(first), spans.name.of(first)
        service = own if is_server[first] else peers.of(first) or own
        who = "" if is_server[first] else f" of {named(own)}"
        how = "429" if spans.words(*HTTP_STATUS).of(first) else "RESOURCE_EXHAUSTED"
        yield WindowFinding(
            detector=IDENTIFIER,
            severity=FindingSeverity.WARNING,
            service=service,
            operation=operation,
            reason=f"{named(service)} refuses {len(rows)} of {counted(len(same), 'request')}"
            f"{who} ({share_text(share)}) for {named(operation)} with {how}: a rate limit is "
            "reached.",
            action=ACTION,
            fingerprint=fingerprint(service, operation),
            rows=tuple(int(row) for row in rows),
        )


DETECTOR = WindowDetector(
    IDENTIFIER,
    "Requests are refused by a rate limit",
    "At least `rate_limited_count` requests of one operation, and `rate_limited_share` of all, are "
    "answered 429 or RESOURCE_EXHAUSTED. A warning; fewer are information.",
    _look,
)
