"""Retries of a fleet: what share of all calls are repetitions of failed ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from longpole.analyzer.calls import PEER, without_ids
from longpole.analyzer.findings.detector import fingerprint_of
from longpole.analyzer.findings.retry_storm import IDENTIFIER
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.findings.window.span_columns import NO_ROW, Bools, SpanColumns
from longpole.analyzer.findings.window.window import Window, WindowDetector, WindowFinding
from longpole.analyzer.wording import named, share_text
from longpole.model.finding import FindingSeverity
from longpole.model.span import SpanKind, StatusCode


def retried(spans: SpanColumns) -> Bools:
    """Calls that repeat a failed one: the same name below the same parent, begun after the one
    before had ended with an error."""
    calls = np.flatnonzero((spans.kinds == SpanKind.CLIENT) & (spans.parents != NO_ROW))
    order = np.lexsort((spans.starts[calls], spans.name.codes[calls], spans.parents[calls]))
    calls = calls[order]
    before, after = calls[:-1], calls[1:]
    is_again = (
        (spans.parents[before] == spans.parents[after])
        & (spans.name.codes[before] == spans.name.codes[after])
        & (spans.status[before] == StatusCode.ERROR)
        & (spans.starts[after] >= spans.ends[before])
    )
    found = np.zeros(len(spans), dtype=np.bool_)
    found[after[is_again]] = True
    return found


def _look(window: Window, thresholds: Thresholds) -> Iterator[WindowFinding]:
    spans = window.spans
    again = retried(spans) & spans.is_inside
    if not again.any():
        return
    is_call = (spans.kinds == SpanKind.CLIENT) & spans.is_inside
    keys = spans.service.codes * len(spans.name.texts) + spans.name.codes
    answered_by: dict[int, int] = {}
    for row in np.flatnonzero(
        (spans.kinds == SpanKind.SERVER) & (spans.parents != NO_ROW)
    ).tolist():
        answered_by.setdefault(int(spans.parents[row]), row)
    peers = spans.words(*PEER)
    for key in np.unique(keys[again]):
        same = np.flatnonzero((keys == key) & is_call)
        repeats = int(again[same].sum())
        failed = int((spans.status[same] == StatusCode.ERROR).sum())
        ratio, errors = repeats / len(same), failed / len(same)
        if (
            repeats < thresholds.fleet_retries
            or ratio < thresholds.fleet_retry_share
            or errors < thresholds.fleet_retry_error_share
        ):
            continue
        rows = same[again[same] | (spans.status[same] == StatusCode.ERROR)]
        first = int(rows[0])
        service, operation = spans.service.of(first), spans.name.of(first)
        callee = answered_by.get(first)
        peer = named(
            spans.service.of(callee) if callee is not None else peers.of(first) or operation
        )
        yield WindowFinding(
            detector=IDENTIFIER,
            severity=FindingSeverity.WARNING,
            service=service,
            operation=operation,
            reason=f"{share_text(ratio)} of the {len(same)} calls of {named(service)} for "
            f"{named(operation)} of {peer} repeat a failed one, and {share_text(errors)} fail: "
            "retries add load to what is failing.",
            action=f"Mend what fails in {peer}; back off exponentially with jitter, cap the "
            "attempts and the share of retries (a retry budget), and repeat on one level only.",
            fingerprint=fingerprint_of(
                IDENTIFIER, service, without_ids(operation), without_ids(peer)
            ),
            rows=tuple(int(row) for row in rows),
            excess_ns=tuple(int(spans.durations[row]) if again[row] else 0 for row in rows),
        )


DETECTOR = WindowDetector(
    IDENTIFIER,
    "Retries make up much of the load",
    "Of all calls of one operation, `fleet_retry_share` repeat a failed one, "
    "`fleet_retry_error_share` fail, and there are `fleet_retries` repetitions or more. A warning.",
    _look,
)
