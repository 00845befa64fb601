"""Advice: what a cause means in words, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from longpole.analyzer.calls import DB_SYSTEM, HOST, QUERY_TEXT, normalised_query, peer_of
from longpole.analyzer.causes import Cause, CauseKind
from longpole.analyzer.critical_path import Windows
from longpole.analyzer.databases import family_of
from longpole.analyzer.detached_callee import DetachedCallee, detached_callee, mostly_in
from longpole.analyzer.labels import Label
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.tree import SpanTree
from longpole.analyzer.wording import counted, duration_text, named, quoted
from longpole.model.span import SpanKind, StatusCode


class Confidence(StrEnum):
    """How far to trust an entry."""

    HIGH = "high"  # the spans say it themselves
    MEDIUM = "medium"  # the likeliest reading; something is out of sight
    LOW = "low"  # span times cannot tell


class Words(NamedTuple):
    """One sentence or two why, what to do, how sure that is, and the reason in a few words."""

    summary: str
    reason: str
    advice: str
    confidence: Confidence


class Analysed(NamedTuple):
    """What words are found in: the repaired spans, their tree and their windows."""

    spans: PathSpans
    tree: SpanTree
    found: Windows


def words_of(trace: Analysed, cause: Cause) -> Words:
    """The words for one cause."""
    return _WORDS[cause.kind](trace, cause)


def _retry(trace: Analysed, cause: Cause) -> Words:
    spans = trace.spans
    failed = [i for i in cause.calls if spans.status_codes[i] == StatusCode.ERROR]
    pauses = cause.label_ns.get(Label.BACKOFF, 0)
    peer = peer_of(spans, cause.calls[0]) or cause.operation
    attempts = counted(len(cause.calls), "attempt")
    return Words(
        f"{attempts}, {len(failed)} failed",
        f"{attempts} of {named(cause.operation)}, {len(failed)} failed: "
        f"{duration_text(cause.critical_ns - pauses)} in attempts that had to be repeated and "
        f"{duration_text(pauses)} waiting between attempts.",
        f"Find out why {named(peer)} fails; then check how often and how fast callers retry.",
        Confidence.HIGH,
    )


def _repeated_call(trace: Analysed, cause: Cause) -> Words:
    spans = trace.spans
    count = len(cause.calls)
    first = cause.calls[0]
    query = spans.text(first, QUERY_TEXT)
    each = duration_text(cause.critical_ns // count)
    saving = duration_text(cause.critical_ns - cause.critical_ns // count)
    system = spans.text(first, DB_SYSTEM)
    if query or system:
        family = family_of(system, query)
        what = f": {quoted(normalised_query(query))}" if query else ""
        return Words(
            f"{count} identical {family.plural} one after another (N+1)",
            f"{count} identical {family.plural} one after another (N+1), {each} each{what}.",
            f"{family.repeated}: up to −{saving}.",
            Confidence.HIGH,
        )
    peer = peer_of(spans, first)
    to = f" to {named(peer)}" if peer else ""
    if spans.kinds[first] == SpanKind.PRODUCER:
        return Words(
            f"{count} messages sent one after another",
            f"{count} equal sends{to} one after another, {each} each.",
            f"Send them as one batch, or without waiting for each: up to −{saving}.",
            Confidence.HIGH,
        )
    return Words(
        f"{count} identical calls one after another (N+1)",
        f"{count} identical calls{to} one after another (N+1), {each} each.",
        f"Ask for all of them in one call, or make the calls in parallel: up to −{saving}.",
        Confidence.HIGH,
    )


def _database(trace: Analysed, cause: Cause) -> Words:
    spans = trace.spans
    longest = _longest(cause)
    system = spans.text(longest, DB_SYSTEM) or "the database"
    query = spans.text(longest, QUERY_TEXT)
    family = family_of(spans.text(longest, DB_SYSTEM), query)
    calls = counted(len(cause.time_of), family.noun, family.plural)
    took = f"{calls} took {duration_text(cause.critical_ns)}"
    if query:
        return Words(
            f"waits for {named(system)}",
            f"Waits for {named(system)}: {took}: {quoted(normalised_query(query))}.",
            family.slow,
            Confidence.HIGH,
        )
    return Words(
        f"waits for {named(system)}",
        f"Waits for {named(system)}: {took}; the spans do not carry the query text.",
        "Record db.query.text on these spans, and look at the slow-query log for this time.",
        Confidence.MEDIUM,
    )


def _uninstrumented_call(trace: Analysed, cause: Cause) -> Words:
    peer = named(cause.detail) or "a callee that the span does not name"
    calls = counted(len(cause.time_of), "call")
    return Words(
        f"waits for {peer}, which sends no spans",
        f"Waits for {peer} in {calls}; no spans from there are in the trace, so what happened "
        "inside is out of sight.",
        f"Instrument {peer} and pass the trace context on, or read its own logs and metrics "
        "for this time.",
        Confidence.MEDIUM,
    )


def _gave_up(trace: Analysed, cause: Cause) -> Words:
    spans = trace.spans
    caller, callee = _callee(trace, cause)
    peer = named(cause.detail)
    took = duration_text(spans.ends[callee.span] - spans.starts[callee.span])
    waited = duration_text(spans.ends[caller] - spans.starts[caller])
    slowest = mostly_in(spans, trace.found, callee.span)
    name = named(spans.names[slowest])
    where = "" if slowest == callee.span else f", mostly in {name}"
    has_failed = spans.status_codes[caller] == StatusCode.ERROR
    return Words(
        f"gave up after {waited}, {peer} ran {took}",
        f"The caller gave up after {waited}; {peer} ran {took}{where}.",
        f"Find out why {name} takes so long, and compare the caller's timeout with what {peer} "
        f"needs; pass the deadline on, so that {peer} stops when nobody waits any more.",
        Confidence.HIGH if has_failed else Confidence.MEDIUM,
    )


def _unfitting_callee(trace: Analysed, cause: Cause) -> Words:
    spans = trace.spans
    caller, callee = _callee(trace, cause)
    peer, own = named(cause.detail), named(cause.service)
    if callee.reason is None:
        return Words(
            f"waits for {peer}, whose span has no duration",
            f"Waits for {peer}, whose span has no duration: what it did meanwhile is out of sight.",
            f"Check how {peer} takes the times of its spans, or read its own logs and metrics "
            "for this time.",
            Confidence.LOW,
        )
    start, end = spans.starts[callee.span], spans.ends[callee.span]
    before, after = spans.starts[caller] - end, start - spans.ends[caller]
    distance = duration_text(max(before, after))
    side = "before it starts" if before >= after else "after it ends"
    hosts = [named(spans.text(i, HOST) or "") for i in (caller, callee.span)]
    on_hosts = f" (hosts {hosts[0]} and {hosts[1]})" if all(hosts) else ""
    return Words(
        f"waits for {peer}, whose clock seems to differ",
        f"Waits for {peer}, whose span of this call lies {distance} {side}: probably the clocks "
        f"of {own} and {peer} differ{on_hosts}; otherwise nobody waited for it.",
        f"Synchronise the clocks of the hosts of {own} and {peer} (NTP or chrony); until then "
        f"the {duration_text(end - start)} of {peer} cannot be placed in this call.",
        Confidence.LOW,
    )


def _publish(trace: Analysed, cause: Cause) -> Words:
    spans = trace.spans
    longest = _longest(cause)
    broker = named(cause.detail) or "the broker"
    messages = counted(len(cause.time_of), "call")
    callee = detached_callee(spans, trace.tree, trace.found, longest)
    later = ""
    if callee is not None:
        consumer = named(spans.services[callee.span])
        later = f"; {consumer} works on the message on its own, and nobody here waits for that"
    return Words(
        f"waits for {broker} to take or give messages",
        f"Waits for {broker} in {messages}{later}.",
        f"Look at {broker} itself: its latency, the acknowledgements it is asked for, and "
        "batching; hand over what need not be sent before the answer in the background.",
        Confidence.MEDIUM,
    )


def _longest(cause: Cause) -> int:
    return max(cause.time_of, key=lambda i: (cause.time_of[i], -i))


def _callee(trace: Analysed, cause: Cause) -> tuple[int, DetachedCallee]:
    """The call that took longest and what answered it."""
    caller = _longest(cause)
    callee = detached_callee(trace.spans, trace.tree, trace.found, caller)
    assert callee is not None, "these causes are only given to calls that have one"
    return caller, callee


def _network(trace: Analysed, cause: Cause) -> Words:
    peer = named(cause.detail)
    before = duration_text(cause.label_ns.get(Label.NET_REQUEST, 0))
    after = duration_text(cause.label_ns.get(Label.NET_RESPONSE, 0))
    return Words(
        f"on the way to {peer} and back",
        f"Between {named(cause.service)} and {peer}: {before} before the callee starts, "
        f"{after} after it ends. Clocks that differ between hosts look the same.",
        f"Check connection set-up, queues in front of {peer}, proxies and the size of what is "
        "sent; then that both clocks are synchronised.",
        Confidence.MEDIUM,
    )


def _overlapped(trace: Analysed, cause: Cause) -> Words:
    spans = trace.spans
    names = sorted({named(spans.names[i]) for i in cause.covering})
    children = ", ".join(names[:3]) + (" and others" if len(names) > 3 else "")
    return Words(
        "own work or overlapping children",
        f"{named(cause.operation)} runs beside its children {children}; span times cannot "
        "tell which of them held it up.",
        f"Put a span around what {named(cause.operation)} does itself meanwhile; shorten "
        "the longest of the parallel children first.",
        Confidence.LOW,
    )


def _between_children(trace: Analysed, cause: Cause) -> Words:
    return Words(
        "own time between child spans",
        f"{named(cause.operation)} spends this time outside its child spans: its own code, "
        "or calls that nobody instrumented.",
        "Profile it, or add spans around the parts between the existing ones.",
        Confidence.MEDIUM,
    )


def _no_children(trace: Analysed, cause: Cause) -> Words:
    held = counted(len(cause.time_of), "span")
    return Words(
        "own time, no child spans",
        f"{held} without children: own code, or calls that nobody instrumented.",
        "Profile it, or add spans around its calls to see what it waits for.",
        Confidence.MEDIUM,
    )


_WORDS: dict[CauseKind, Callable[[Analysed, Cause], Words]] = {
    CauseKind.RETRY: _retry,
    CauseKind.REPEATED_CALL: _repeated_call,
    CauseKind.DATABASE: _database,
    CauseKind.UNINSTRUMENTED_CALL: _uninstrumented_call,
    CauseKind.GAVE_UP: _gave_up,
    CauseKind.UNFITTING_CALLEE: _unfitting_callee,
    CauseKind.PUBLISH: _publish,
    CauseKind.NETWORK: _network,
    CauseKind.OVERLAPPED: _overlapped,
    CauseKind.BETWEEN_CHILDREN: _between_children,
    CauseKind.NO_CHILDREN: _no_children,
}
