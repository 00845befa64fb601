"""Queues over many messages: how long they wait as a rule, and whether that gets worse."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from longpole.analyzer.calls import HOST, MESSAGING_SYSTEM
from longpole.analyzer.findings.detector import fingerprint_of
from longpole.analyzer.findings.queues import QUEUE_LAG
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.findings.window.span_columns import NO_ROW, Ints, SpanColumns
from longpole.analyzer.findings.window.statistics import rises, theil_sen
from longpole.analyzer.findings.window.window import Window, WindowDetector, WindowFinding
from longpole.analyzer.wording import counted, duration_text, named
from longpole.model.finding import FindingSeverity
from longpole.model.span import SpanKind

_DESTINATION = ("messaging.destination.name",)
_MINUTE_NS = 60_000_000_000
_RISING = 0.5  # Kendall's tau from which on lags are said to rise


def first_deliveries(spans: SpanColumns) -> tuple[Ints, Ints]:
    """Rows of spans that took a message first, and of those that sent it (the parent, or what
    the span links to)."""
    is_messaging = spans.words(*MESSAGING_SYSTEM).codes >= 0
    sends = (spans.kinds == SpanKind.PRODUCER) | ((spans.kinds == SpanKind.CLIENT) & is_messaging)
    takes = np.flatnonzero((spans.kinds == SpanKind.CONSUMER) & (spans.parents != NO_ROW))
    takers = np.concatenate([takes, spans.links[0]])
    senders = np.concatenate([spans.parents[takes], spans.links[1]])
    is_pair = (spans.kinds[takers] == SpanKind.CONSUMER) & sends[senders]
    takers, senders = takers[is_pair], senders[is_pair]
    # A later delivery of a message waited for its retry, not in the queue.
    who = spans.service.codes[takers] * len(spans.name.texts) + spans.name.codes[takers]
    order = np.lexsort((spans.starts[takers], senders, who))
    takers, senders, who = takers[order], senders[order], who[order]
    is_first = np.ones(len(takers), dtype=np.bool_)
    is_first[1:] = (who[1:] != who[:-1]) | (senders[1:] != senders[:-1])
    return takers[is_first], senders[is_first]


def _look(window: Window, thresholds: Thresholds) -> Iterator[WindowFinding]:
    spans = window.spans
    takers, senders = first_deliveries(spans)
    is_recent = spans.is_inside[takers] | spans.is_inside[senders]
    takers, senders = takers[is_recent], senders[is_recent]
    if not len(takers):
        return
    destinations = spans.words(*_DESTINATION)
    lags = spans.starts[takers] - spans.ends[senders] - _clock_ahead(spans, takers, senders)
    keys = spans.service.codes[takers] * len(spans.name.texts) + spans.name.codes[takers]
    keys = keys * (len(destinations.texts) + 1) + destinations.codes[takers] + 1
    for key in np.unique(keys):
        same = keys == key
        finding = _group(
            window, takers[same], senders[same], np.maximum(lags[same], 0), thresholds,
            destinations.of(int(takers[same][0])),
        )  # fmt: skip
        if finding is not None:
            yield finding


def _clock_ahead(spans: SpanColumns, takers: Ints, senders: Ints) -> Ints:
    """How far the takers' clocks are ahead of the senders', by the calls between their hosts:
    an answer cannot be read before it was given. 0 where nothing says so."""
    hosts = spans.words(*HOST).codes
    ahead = np.zeros(len(takers), dtype=np.int64)
    pairs = {
        (int(one), int(other))
        for one, other in zip(hosts[senders], hosts[takers], strict=True)
        if one != other and one >= 0 and other >= 0
    }
    if not pairs:
        return ahead
    calls = np.flatnonzero((spans.kinds == SpanKind.SERVER) & (spans.parents != NO_ROW))
    callers = spans.parents[calls]
    late, early = (
        spans.ends[calls] - spans.ends[callers],
        spans.starts[callers] - spans.starts[calls],
    )
    for one, other in pairs:
        there = (hosts[callers] == one) & (hosts[calls] == other)
        back = (hosts[callers] == other) & (hosts[calls] == one)
        hints = np.concatenate([late[there], early[back]])
        if len(hints):
            here = (hosts[senders] == one) & (hosts[takers] == other)
            ahead[here] = max(0, int(np.median(hints)))
    return ahead


def _group(
    window: Window,
    takers: Ints,
    senders: Ints,
    lags: Ints,
    thresholds: Thresholds,
    destination: str,
) -> WindowFinding | None:
    spans = window.spans
    order = np.argsort(spans.ends[senders], kind="stable")
    takers, senders, lags = takers[order], senders[order], lags[order]
    p95 = int(np.sort(lags)[max(0, -(-len(lags) * 95 // 100) - 1)])
    if len(lags) < thresholds.queue_lag_messages:
        return None
    third = max(1, len(lags) // 3)
    early, late = int(np.median(lags[:third])), int(np.median(lags[-third:]))
    slope = theil_sen(spans.ends[senders], lags)  # nanoseconds of lag a nanosecond
    typical = max(1, int(np.median(lags)))
    is_rising = (
        rises(lags) >= _RISING
        and slope * _MINUTE_NS >= thresholds.queue_lag_growth_share * typical
        and late >= 2 * early
        and late >= thresholds.queue_lag_ns // 2
    )
    if p95 < thresholds.queue_lag_ns and not is_rising:
        return None
    first = int(takers[0])
    service, operation = spans.service.of(first), spans.name.of(first)
    is_critical = p95 >= thresholds.queue_lag_critical_ns or (
        is_rising and late >= thresholds.queue_lag_ns
    )
    where = f" in {named(destination)}" if destination else ""
    trend = ""
    if is_rising:
        trend = f" It gets worse: {duration_text(early)} at first, {duration_text(late)} at last."
    worst = np.argsort(-lags, kind="stable")
    rows = [int(row) for pair in zip(takers[worst], senders[worst], strict=True) for row in pair]
    return WindowFinding(
        detector=QUEUE_LAG.identifier,
        severity=FindingSeverity.CRITICAL if is_critical else FindingSeverity.WARNING,
        service=service,
        operation=operation,
        reason=f"{counted(len(lags), 'message')} wait {duration_text(typical)} (median) and "
        f"{duration_text(p95)} (P95){where} before {named(service)} › {named(operation)} begins "
        f"with them.{trend}",
        action=f"Add consumers of {named(service)}, make its handling of one message faster, or "
        "take several at a time; a queue that grows never catches up by itself.",
        fingerprint=fingerprint_of(QUEUE_LAG.identifier, service, operation, destination),
        rows=tuple(rows),
    )


DETECTOR = WindowDetector(
    QUEUE_LAG.identifier,
    "A queue falls behind",
    "Of `queue_lag_messages` or more messages that one consumer took from one destination, the "
    "P95 of the waiting time is `queue_lag_ns` or more; or it rises (Kendall's tau of 0.5, a "
    "Theil-Sen slope of `queue_lag_growth_share` a minute, twice as long in the last third as in "
    "the first, and at least half of `queue_lag_ns` then). Critical when it rises beyond "
    "`queue_lag_ns`, or from `queue_lag_critical_ns` on.",
    _look,
)
