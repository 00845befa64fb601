"""Facts: what the search for a cause keeps of one trace, so that windows fit in memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from longpole.analyzer.call_path import call_path_ids
from longpole.analyzer.calls import peer_of
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.failures import (
    Failures,
    failures_of,
    from_origin,
    is_answer,
    is_failed,
)
from longpole.analyzer.labels import Label
from longpole.analyzer.root_cause.places import Example
from longpole.analyzer.tree import NO_PARENT
from longpole.model.span import SpanKind

_NET = (Label.NET_REQUEST, Label.NET_RESPONSE, Label.NET_WAIT)
_CLIENT, _PRODUCER = int(SpanKind.CLIENT), int(SpanKind.PRODUCER)
_SERVER, _CONSUMER = int(SpanKind.SERVER), int(SpanKind.CONSUMER)


@dataclass(frozen=True, slots=True)
class Spot:
    """A service, its operation, and the peer's name when it is the way to a peer."""

    service: str
    operation: str
    peer: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """Time that a spot held, and the span that held most of it."""

    total_ns: int
    span_id: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Where a chain of failures began. `reaches_root`: whoever asked saw it."""

    spot: Spot
    span_id: int
    reaches_root: bool


@dataclass(frozen=True, slots=True)
class Calls:
    """Executions of one call path: how often it ran and how often each operation was called.
    `callees` has the other service that answered, by operation. `is_sending`: it sends messages,
    and what it "calls" is their handling. `abreast` has, for each run with calls, how many of
    them were under way at once on average, while any was."""

    service: str
    operation: str
    runs: int
    made: Counter[str]
    callees: dict[str, str]
    is_sending: bool
    abreast: list[float]
    span_id: int


@dataclass(frozen=True, slots=True)
class TraceFacts:
    """One trace. `path` adds up to its duration; `beside` has the own time of detached parts;
    `queues` the time from the sending of a message to the end of its handling, by (sender,
    receiver, operation).
    `calls` is by (call path id, whether nothing below failed)."""

    trace_id: int
    root: tuple[str, str]
    start_unix_nano: int
    duration_ns: int
    path: dict[Spot, Held]
    queues: dict[tuple[str, str, str], Held]
    failures: tuple[Failure, ...]
    calls: dict[tuple[int, bool], Calls]
    spans_of: Counter[str]
    answered: dict[str, Counter[str]] = field(default_factory=dict)

    def example(self, span_id: int) -> Example:
        """A span of this trace as an example."""
        return Example(self.trace_id, span_id)


def facts_of(explanation: Explanation) -> TraceFacts:
    """The facts of one explained trace; linear in its spans."""
    e, spans = explanation, explanation.spans
    failures = failures_of(e)
    callees = _callees(e)
    answered: dict[str, Counter[str]] = {}
    for index, callee in callees.items():
        peer = peer_of(spans, index)
        if peer:
            answered.setdefault(peer, Counter())[callee] += 1
    root = (spans.services[e.root], spans.names[e.root]) if e.root >= 0 else ("", "")
    return TraceFacts(
        trace_id=e.trace_id,
        root=root,
        start_unix_nano=e.start_unix_nano,
        duration_ns=e.duration_ns,
        path=_path(e, callees),
        queues=_queues(e),
        failures=tuple(_failures(e, failures, callees)),
        calls=_calls(e, callees),
        spans_of=Counter(spans.services),
        answered=answered,
    )


def _callees(e: Explanation) -> dict[int, str]:
    """The service that answered, by calling span; only calls that another service answered. A
    broker stands between who sends and who receives a message: that is no such call."""
    spans, parents = e.spans, e.tree.parents
    callees: dict[int, str] = {}
    for index, kind in enumerate(spans.kinds):
        above = parents[index]
        is_answer_to_another = (
            kind == _SERVER
            and above != NO_PARENT
            and spans.services[above] != spans.services[index]
        )
        if is_answer_to_another:
            callees.setdefault(above, spans.services[index])
    return callees


def _spot(e: Explanation, index: int, callees: dict[int, str]) -> Spot:
    """A span's own spot; a call that nobody answered names its peer."""
    spans = e.spans
    peer = ""
    if spans.kinds[index] == _CLIENT:
        peer = callees.get(index) or peer_of(spans, index) or ""
    return Spot(spans.services[index], spans.names[index], peer)


def _path(e: Explanation, callees: dict[int, str]) -> dict[Spot, Held]:
    totals: dict[Spot, dict[int, int]] = {}
    spans, segments = e.spans, e.segments
    for owner, label, start, end in zip(
        segments.owners, segments.labels, segments.starts, segments.ends, strict=True
    ):
        # Client minus server time belongs to the way between the two.
        if label in _NET:
            spot = _spot(e, owner, callees)
        else:
            spot = Spot(spans.services[owner], spans.names[owner])
        held = totals.setdefault(spot, {})
        held[owner] = held.get(owner, 0) + end - start
    return {spot: _held(e, by_span) for spot, by_span in totals.items()}


def _held(e: Explanation, by_span: dict[int, int]) -> Held:
    most = max(by_span, key=lambda i: (by_span[i], -i))
    return Held(sum(by_span.values()), e.spans.span_ids[most])


def _queues(e: Explanation) -> dict[tuple[str, str, str], Held]:
    spans, parents = e.spans, e.tree.parents
    waits: dict[tuple[str, str, str], dict[int, int]] = {}
    index_of = {span_id: i for i, span_id in reversed(list(enumerate(spans.span_ids)))}
    for index, kind in enumerate(spans.kinds):
        if kind != _CONSUMER:
            continue
        senders = [parents[index], *(index_of.get(s, NO_PARENT) for s in spans.linked(index))]
        sent = [s for s in senders if s != NO_PARENT and spans.kinds[s] == _PRODUCER]
        if sent:
            sender = max(sent, key=lambda s: (spans.ends[s], s))
            wait = max(0, spans.ends[index] - spans.ends[sender])
            key = (spans.services[sender], spans.services[index], spans.names[index])
            waits.setdefault(key, {})[index] = wait
    return {key: _held(e, by_span) for key, by_span in waits.items()}


def _failures(e: Explanation, failures: Failures, callees: dict[int, str]) -> list[Failure]:
    """Each origin once. A chain begins at a span that failed below nothing else that did."""
    found: dict[int, bool] = {}
    parents, spans = e.tree.parents, e.spans
    for top in e.tree.order:
        above = parents[top]
        is_top = failures.depths[top] and (above == NO_PARENT or failures.below[above] != top)
        if not is_top:
            continue
        chain = from_origin(e, failures, top)
        if all(is_answer(spans, i) for i in chain):
            continue  # told no, as callers may well expect
        origin = chain[0]
        found[origin] = found.get(origin, False) or top == e.root
    return [
        Failure(_spot(e, origin, callees), spans.span_ids[origin], reaches)
        for origin, reaches in found.items()
    ]


def _calls(e: Explanation, callees: dict[int, str]) -> dict[tuple[int, bool], Calls]:
    spans, tree = e.spans, e.tree
    paths = call_path_ids(spans, tree, tree.order)
    first_failed = _first_failures(e)
    made: dict[tuple[int, bool], Calls] = {}
    for index in tree.order:
        if not tree.children[index] and spans.kinds[index] == _CLIENT:
            continue  # a call that calls nothing of its own
        key = (paths[index], first_failed[index] is None)
        known = made.get(key)
        runs = known.runs + 1 if known else 1
        counter = known.made if known else Counter[str]()
        answered = known.callees if known else {}
        abreast = known.abreast if known else []
        failed_at = first_failed[index]
        for child in tree.children[index]:
            # What follows a failure (a fallback, an undoing) is its consequence. A repetition of
            # the very call that failed is not: that is somebody's decision.
            is_after = failed_at is not None and spans.starts[child] >= failed_at[0]
            if failed_at is not None and is_after and spans.names[child] != failed_at[1]:
                continue
            counter[spans.names[child]] += 1
            if child in callees:
                answered[spans.names[child]] = callees[child]
            elif spans.kinds[child] == _CONSUMER:
                answered[spans.names[child]] = spans.services[child]
        calls = [child for child in tree.children[index] if spans.kinds[child] == _CLIENT]
        if len(calls) > 1:
            abreast.append(_abreast([(spans.starts[c], spans.ends[c]) for c in calls]))
        made[key] = Calls(
            spans.services[index],
            spans.names[index],
            runs,
            counter,
            answered,
            spans.kinds[index] == _PRODUCER,
            abreast,
            spans.span_ids[index],
        )
    return made


def _abreast(intervals: list[tuple[int, int]]) -> float:
    """How many intervals overlap on average where there is any; 1 when one follows the other."""
    covered, until = 0, min(start for start, _ in intervals)
    for start, end in sorted(intervals):
        if end > until:
            covered += end - max(start, until)
            until = end
    return sum(end - start for start, end in intervals) / covered if covered else 1.0


def _first_failures(e: Explanation) -> list[tuple[int, str] | None]:
    """By span: when the first failure below it was over, and the name of its child that failed
    or led there; None where all went well."""
    spans, tree = e.spans, e.tree
    ended: list[tuple[int, str] | None] = [None] * len(spans)
    for index in reversed(tree.order):
        own = ended[index]
        if own is None and is_failed(spans, index):
            own = ended[index] = (spans.ends[index], "")
        above = tree.parents[index]
        if own is None or above == NO_PARENT:
            continue
        known = ended[above]
        if known is None or own[0] < known[0]:
            ended[above] = (own[0], spans.names[index])
    return ended
