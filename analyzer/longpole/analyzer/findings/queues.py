"""Messages: those that wait long before somebody takes them, and those that fail every time."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from statistics import median_low
from typing import TypeAlias

from longpole.analyzer.calls import HOST, MESSAGING_SYSTEM
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.clock_skew import clock_offsets
from longpole.analyzer.findings.detector import Detector, fingerprint_of
from longpole.analyzer.findings.failures import error_words
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.tree import NO_PARENT
from longpole.analyzer.wording import counted, duration_text, named
from longpole.model.finding import Finding, FindingSeverity
from longpole.model.span import SpanKind, StatusCode

_MOST_SPAN_IDS = 50
_CONSUMER, _PRODUCER, _CLIENT = (
    int(SpanKind.CONSUMER),
    int(SpanKind.PRODUCER),
    int(SpanKind.CLIENT),
)
_DESTINATION = ("messaging.destination.name",)
_MESSAGE_ID = ("messaging.message.id",)
# Dead-letter queues as brokers and libraries name them: `orders.dlq`, `orders-DLT` (Spring),
# `orders_error` (MassTransit), `orders.dead`, `orders/$DeadLetterQueue` (Azure).
_DEAD_LETTERS = re.compile(
    r"dead[._-]?letter|(?:^|[._/-])(?:dlq|dlt|dlx|dead|poison)(?:$|[._/-])|[._-]error$",
    re.IGNORECASE,
)

# service and operation of a consumer, and where it gets its messages from
_Consumer: TypeAlias = tuple[str, str, str]
# a message, its failed deliveries in the order of time, and whether the last one worked
_Poisoned: TypeAlias = tuple[str, list[int], bool]


def _lags(explanation: Explanation, thresholds: Thresholds) -> Iterator[Finding]:
    spans = explanation.spans
    if _CONSUMER not in spans.kinds:
        return
    # Only the first delivery waited in the queue; a later one waits for its retry.
    first: dict[tuple[int, str, str], int] = {}
    for index, producer in _deliveries(explanation):
        key = (producer, spans.services[index], spans.names[index])
        known = first.get(key)
        if known is None or (spans.starts[index], index) < (spans.starts[known], known):
            first[key] = index
    groups: dict[_Consumer, list[tuple[int, int, int]]] = {}
    for (producer, service, name), index in first.items():
        lag_ns = spans.starts[index] - spans.ends[producer]
        if lag_ns < thresholds.queue_lag_ns:
            continue
        lag_ns -= _clock_ahead(explanation, producer, index)
        if lag_ns < thresholds.queue_lag_ns:
            continue
        key_of_group = (service, name, spans.text(index, _DESTINATION) or "")
        groups.setdefault(key_of_group, []).append((lag_ns, index, producer))
    for consumer in sorted(groups):
        late = sorted(groups[consumer], key=lambda each: (-each[0], each[1]))
        yield _lag(explanation, consumer, late, thresholds)


def _deliveries(explanation: Explanation) -> Iterator[tuple[int, int]]:
    """Pairs (span that takes a message, span that sent it), whether as its parent or by a link."""
    spans, parents = explanation.spans, explanation.tree.parents
    for index, kind in enumerate(spans.kinds):
        if kind != _CONSUMER:
            continue
        parent = parents[index]
        if parent != NO_PARENT and _sends(spans, parent):
            yield index, parent
        for span_id in spans.linked(index):
            sender = bisect_left(spans.span_ids, span_id)  # spans are in the order of their ids
            is_here = sender < len(spans) and spans.span_ids[sender] == span_id
            if is_here and sender != parent and _sends(spans, sender):
                yield index, sender


def _sends(spans: PathSpans, index: int) -> bool:
    kind = spans.kinds[index]
    return kind == _PRODUCER or (
        kind == _CLIENT and spans.text(index, MESSAGING_SYSTEM) is not None
    )


def _clock_ahead(explanation: Explanation, producer: int, consumer: int) -> int:
    """How far the consumer's clock is ahead at most, by the calls between the two hosts in this
    trace; negative when it is behind, 0 when nothing says so."""
    spans = explanation.spans
    hosts = [spans.text(i, HOST) for i in (producer, consumer)]
    if None in hosts or hosts[0] == hosts[1]:
        return 0
    one, other = str(hosts[0]), str(hosts[1])
    offsets = clock_offsets(explanation)
    if (one, other) in offsets:
        return -offsets[one, other].least_ns
    if (other, one) in offsets:
        return offsets[other, one].least_ns
    return 0


def _lag(
    explanation: Explanation,
    consumer: _Consumer,
    late: list[tuple[int, int, int]],
    thresholds: Thresholds,
) -> Finding:
    spans = explanation.spans
    service, operation, destination = consumer
    longest_ns = late[0][0]
    where = f" in {named(destination)}" if destination else ""
    if len(late) == 1:
        what = f"A message waits {duration_text(longest_ns)}{where}"
    else:
        typical = duration_text(median_low([lag for lag, _, _ in late]))
        what = (
            f"{counted(len(late), 'message')} wait up to {duration_text(longest_ns)}{where} "
            f"(median {typical})"
        )
    senders = ", ".join(sorted({named(spans.services[producer]) for _, _, producer in late})[:3])
    is_critical = longest_ns >= thresholds.queue_lag_critical_ns
    return Finding(
        detector=QUEUE_LAG.identifier,
        severity=FindingSeverity.CRITICAL if is_critical else FindingSeverity.WARNING,
        trace_id=explanation.trace_id,
        span_ids=tuple(dict.fromkeys(spans.span_ids[i] for _, *pair in late for i in pair))[
            :_MOST_SPAN_IDS
        ],
        service=service,
        operation=operation,
        saving_ns=0,
        reason=(
            f"{what} after {senders} sent it, before {named(service)} › {named(operation)} "
            "begins with it: the consumer does not keep up, or was away."
        ),
        action=(
            f"Add consumers of {named(service)}, make its handling of one message faster, or "
            "take several at a time; look at whether the lag still grows."
        ),
        fingerprint=fingerprint_of(QUEUE_LAG.identifier, *consumer),
    )


def _poisoned(explanation: Explanation, thresholds: Thresholds) -> Iterator[Finding]:
    spans, parents = explanation.spans, explanation.tree.parents
    if StatusCode.ERROR not in spans.status_codes or _CONSUMER not in spans.kinds:
        return
    deliveries: dict[tuple[str, str, str], list[int]] = {}
    for index, kind in enumerate(spans.kinds):
        if kind == _CONSUMER:
            # Without an id of its own, a message is what one span sent.
            message = spans.text(index, _MESSAGE_ID) or f"sent by {parents[index]}"
            if parents[index] == NO_PARENT and message.startswith("sent by "):
                continue
            key = (spans.services[index], spans.names[index], message)
            deliveries.setdefault(key, []).append(index)
    buried = _buried(explanation)
    groups: dict[_Consumer, list[_Poisoned]] = {}
    for (service, name, message), taken in deliveries.items():
        taken.sort(key=lambda i: (spans.starts[i], i))
        failed = [i for i in taken if spans.status_codes[i] == StatusCode.ERROR]
        is_given_up = any(i in buried for i in failed)
        if len(failed) < thresholds.poison_deliveries and not is_given_up:
            continue
        destination = spans.text(failed[0], _DESTINATION) or ""
        has_worked = spans.status_codes[taken[-1]] != StatusCode.ERROR
        groups.setdefault((service, name, destination), []).append((message, failed, has_worked))
    for consumer in sorted(groups):
        yield _poison(explanation, consumer, sorted(groups[consumer]), buried)


def _buried(explanation: Explanation) -> set[int]:
    """The consumers below which a message was sent to a queue of dead letters."""
    spans, tree = explanation.spans, explanation.tree
    letters = [
        index
        for index in range(len(spans))
        if _sends(spans, index)
        and _DEAD_LETTERS.search(spans.text(index, _DESTINATION) or "") is not None
    ]
    if not letters:
        return set()
    taker = [NO_PARENT] * len(spans)  # the consumer that a span works for
    for index in tree.order:
        if spans.kinds[index] == _CONSUMER:
            taker[index] = index
        elif tree.parents[index] != NO_PARENT:
            taker[index] = taker[tree.parents[index]]
    return {taker[index] for index in letters if taker[index] != NO_PARENT}


def _poison(
    explanation: Explanation,
    consumer: _Consumer,
    messages: list[_Poisoned],
    buried: set[int],
) -> Finding:
    spans = explanation.spans
    service, operation, destination = consumer
    message, failed, has_worked = max(messages, key=lambda each: (len(each[1]), each[0]))
    all_failed = [i for _, each, _ in messages for i in each]
    elapsed_ns = spans.ends[failed[-1]] - spans.starts[failed[0]]
    words = error_words(spans, failed[-1])
    of_what = f" of {named(destination)}" if destination else ""
    which = "One message" if len(messages) == 1 else counted(len(messages), "message")
    name = "" if message.startswith("sent by ") else f" ({named(message)})"
    end = ""
    if has_worked:
        end = " The delivery after that worked."
    elif buried & set(all_failed):
        end = " It was moved to a queue of dead letters."
    verb = "fails" if len(messages) == 1 else "fail"
    most = "" if len(messages) == 1 else "up to "
    return Finding(
        detector=POISON_MESSAGE.identifier,
        severity=FindingSeverity.WARNING,
        trace_id=explanation.trace_id,
        span_ids=tuple(spans.span_ids[i] for i in all_failed)[:_MOST_SPAN_IDS],
        service=service,
        operation=operation,
        saving_ns=0,
        reason=(
            f"{which}{of_what}{name} {verb} in {named(service)} › {named(operation)} at "
            f"{most}{counted(len(failed), 'delivery', 'deliveries')} in a row, over "
            f"{duration_text(elapsed_ns)}" + (f": {words}." if words else ".") + end
        ),
        action=(
            f"Look at the message and at the error: mend {named(service)} so that it can take "
            "it, or refuse what can never be handled at the first delivery and set it aside."
        ),
        fingerprint=fingerprint_of(POISON_MESSAGE.identifier, *consumer),
    )


QUEUE_LAG = Detector(
    "queue_lag",
    "Messages wait in a queue",
    "From the end of the span that sent a message to the start of the first span that took it "
    "(a CONSUMER span below it, or one of the same trace that links to it), `queue_lag_ns` or "
    "more; what calls between the two hosts say about their clocks is taken off. Later deliveries "
    "are retries and do not count. A warning, critical from `queue_lag_critical_ns` on, though "
    "nobody's answer waits for it.",
    _lags,
)
POISON_MESSAGE = Detector(
    "poison_message",
    "A message fails at every delivery",
    "A message (`messaging.message.id`, else what one span sent) was taken `poison_deliveries` "
    "times or more by the same consumer and failed, or failed and was sent to a queue of dead "
    "letters. A warning.",
    _poisoned,
    needs_failure=True,
)

DETECTORS: tuple[Detector, ...] = (QUEUE_LAG, POISON_MESSAGE)
