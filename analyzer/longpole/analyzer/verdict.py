"""The verdict: where the time went, why, and what to do about it, ranked by path time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from longpole.analyzer.calls import DB_SYSTEM, QUERY_TEXT, normalised_query, peer_of
from longpole.analyzer.causes import Cause, CauseKind, leading_causes
from longpole.analyzer.critical_path import RawPath, Windows
from longpole.analyzer.labels import Label, PathSegments
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.tree import SpanTree
from longpole.analyzer.wording import counted, duration_text, quoted, share_text
from longpole.model.span import StatusCode

MOST_ENTRIES = 5
SMALLEST_SHARE = 0.01  # of an entry after the first
MOST_SPAN_IDS = 50  # named by an entry; its reason tells the full number


class Confidence(StrEnum):
    """How far to trust an entry."""

    HIGH = "high"  # the spans say it themselves
    MEDIUM = "medium"  # the likeliest reading; something is out of sight
    LOW = "low"  # span times cannot tell


@dataclass(frozen=True, slots=True)
class VerdictEntry:
    """One place where time went.

    `critical_ns` is time on the path and `share` its part of the root's duration, 0 to 1; the
    entries of a verdict never count the same nanosecond twice. `span_ids` are the spans that
    held it, most time first. `summary` is the reason in a few words.
    """

    service: str
    operation: str
    critical_ns: int
    share: float
    reason: str
    advice: str
    confidence: Confidence
    span_ids: tuple[int, ...]
    summary: str
    cause: CauseKind


class _Words(NamedTuple):
    summary: str
    reason: str
    advice: str
    confidence: Confidence


def verdict_of(
    spans: PathSpans,
    tree: SpanTree,
    found: Windows,
    path: RawPath,
    segments: PathSegments,
) -> tuple[VerdictEntry, ...]:
    """At most five entries, most time first; at least one if the path has any length."""
    total = segments.ends[-1] - segments.starts[0] if segments else 0
    has_gaps = tree.is_headless or tree.orphans > 0
    entries: list[VerdictEntry] = []
    for cause in leading_causes(spans, tree, found, path, segments, MOST_ENTRIES):
        share = cause.critical_ns / total
        if entries and share < SMALLEST_SHARE:
            break
        words = _with_gaps(cause, _WORDS[cause.kind](spans, cause), has_gaps)
        words = _with_errors(spans, cause, words)
        held = sorted(cause.time_of, key=lambda i: (-cause.time_of[i], i))[:MOST_SPAN_IDS]
        entries.append(
            VerdictEntry(
                service=cause.service,
                operation=cause.operation,
                critical_ns=cause.critical_ns,
                share=round(share, 6),
                reason=words.reason,
                advice=words.advice,
                confidence=words.confidence,
                span_ids=tuple(dict.fromkeys(spans.span_ids[i] for i in held)),
                summary=words.summary,
                cause=cause.kind,
            )
        )
    return tuple(entries)


def verdict_line(verdict: tuple[VerdictEntry, ...]) -> str:
    """The first entry in one line, empty when there is nothing to tell."""
    if not verdict:
        return ""
    top = verdict[0]
    place = f"{quoted(top.service)} › {quoted(top.operation)}"
    return f"{place} {share_text(top.share)}: {top.summary}"


def _retry(spans: PathSpans, cause: Cause) -> _Words:
    failed = [i for i in cause.calls if spans.status_codes[i] == StatusCode.ERROR]
    pauses = cause.label_ns.get(Label.BACKOFF, 0)
    peer = peer_of(spans, cause.calls[0]) or cause.operation
    attempts = counted(len(cause.calls), "attempt")
    return _Words(
        f"{attempts}, {len(failed)} failed",
        f"{attempts} of {quoted(cause.operation)}, {len(failed)} failed: "
        f"{duration_text(cause.critical_ns - pauses)} in attempts that had to be repeated and "
        f"{duration_text(pauses)} waiting between attempts.",
        f"Find out why {quoted(peer)} fails; then check how often and how fast callers retry.",
        Confidence.HIGH,
    )


def _repeated_call(spans: PathSpans, cause: Cause) -> _Words:
    count = len(cause.calls)
    first = cause.calls[0]
    query = spans.text(first, QUERY_TEXT)
    each = duration_text(cause.critical_ns // count)
    saving = duration_text(cause.critical_ns - cause.critical_ns // count)
    if query or spans.text(first, DB_SYSTEM):
        what = f": {quoted(normalised_query(query))}" if query else ""
        return _Words(
            f"{count} identical queries one after another (N+1)",
            f"{count} identical queries one after another (N+1), {each} each{what}.",
            f"Load them in one query (IN or JOIN) instead of one by one: up to −{saving}.",
            Confidence.HIGH,
        )
    peer = peer_of(spans, first)
    to = f" to {quoted(peer)}" if peer else ""
    return _Words(
        f"{count} identical calls one after another (N+1)",
        f"{count} identical calls{to} one after another (N+1), {each} each.",
        f"Ask for all of them in one call, or make the calls in parallel: up to −{saving}.",
        Confidence.HIGH,
    )


def _database(spans: PathSpans, cause: Cause) -> _Words:
    longest = max(cause.time_of, key=lambda i: (cause.time_of[i], -i))
    system = spans.text(longest, DB_SYSTEM) or "the database"
    query = spans.text(longest, QUERY_TEXT)
    calls = counted(len(cause.time_of), "query", "queries")
    took = f"{calls} took {duration_text(cause.critical_ns)}"
    if query:
        return _Words(
            f"waits for {quoted(system)}",
            f"Waits for {quoted(system)}: {took}: {quoted(normalised_query(query))}.",
            "Read the plan of this query (EXPLAIN): add the index it lacks, fetch less, or "
            "cache the answer. If the plan is good, look for locks and a full connection pool.",
            Confidence.HIGH,
        )
    return _Words(
        f"waits for {quoted(system)}",
        f"Waits for {quoted(system)}: {took}; the spans do not carry the query text.",
        "Record db.query.text on these spans, and look at the slow-query log for this time.",
        Confidence.MEDIUM,
    )


def _uninstrumented_call(spans: PathSpans, cause: Cause) -> _Words:
    peer = quoted(cause.detail) or "a callee that the span does not name"
    calls = counted(len(cause.time_of), "call")
    return _Words(
        f"waits for {peer}, which sends no spans",
        f"Waits for {peer} in {calls}; no spans from there are in the trace, so what happened "
        "inside is out of sight.",
        f"Instrument {peer} and pass the trace context on, or read its own logs and metrics "
        "for this time.",
        Confidence.MEDIUM,
    )


def _network(spans: PathSpans, cause: Cause) -> _Words:
    peer = quoted(cause.detail)
    before = duration_text(cause.label_ns.get(Label.NET_REQUEST, 0))
    after = duration_text(cause.label_ns.get(Label.NET_RESPONSE, 0))
    return _Words(
        f"on the way to {peer} and back",
        f"Between {quoted(cause.service)} and {peer}: {before} before the callee starts, "
        f"{after} after it ends. Clocks that differ between hosts look the same.",
        f"Check connection set-up, queues in front of {peer}, proxies and the size of what is "
        "sent; then that both clocks are synchronised.",
        Confidence.MEDIUM,
    )


def _overlapped(spans: PathSpans, cause: Cause) -> _Words:
    names = sorted({quoted(spans.names[i]) for i in cause.covering})
    children = ", ".join(names[:3]) + (" and others" if len(names) > 3 else "")
    return _Words(
        "own work or overlapping children",
        f"{quoted(cause.operation)} runs beside its children {children}; span times cannot "
        "tell which of them held it up.",
        f"Put a span around what {quoted(cause.operation)} does itself meanwhile; shorten "
        "the longest of the parallel children first.",
        Confidence.LOW,
    )


def _between_children(spans: PathSpans, cause: Cause) -> _Words:
    return _Words(
        "own time between child spans",
        f"{quoted(cause.operation)} spends this time outside its child spans: its own code, "
        "or calls that nobody instrumented.",
        "Profile it, or add spans around the parts between the existing ones.",
        Confidence.MEDIUM,
    )


def _no_children(spans: PathSpans, cause: Cause) -> _Words:
    held = counted(len(cause.time_of), "span")
    return _Words(
        "own time, no child spans",
        f"{held} without children: own code, or calls that nobody instrumented.",
        "Profile it, or add spans around its calls to see what it waits for.",
        Confidence.MEDIUM,
    )


_WORDS: dict[CauseKind, Callable[[PathSpans, Cause], _Words]] = {
    CauseKind.RETRY: _retry,
    CauseKind.REPEATED_CALL: _repeated_call,
    CauseKind.DATABASE: _database,
    CauseKind.UNINSTRUMENTED_CALL: _uninstrumented_call,
    CauseKind.NETWORK: _network,
    CauseKind.OVERLAPPED: _overlapped,
    CauseKind.BETWEEN_CHILDREN: _between_children,
    CauseKind.NO_CHILDREN: _no_children,
}
# Kinds whose reading rests on spans that are not there.
_RESTS_ON_ABSENCE = frozenset(
    {CauseKind.UNINSTRUMENTED_CALL, CauseKind.BETWEEN_CHILDREN, CauseKind.NO_CHILDREN}
)


def _with_gaps(cause: Cause, words: _Words, has_gaps: bool) -> _Words:
    if not has_gaps or cause.kind not in _RESTS_ON_ABSENCE:
        return words
    return words._replace(
        reason=words.reason
        + " Spans are missing from this trace, so it may look worse than it is.",
        confidence=Confidence.LOW,
    )


def _with_errors(spans: PathSpans, cause: Cause, words: _Words) -> _Words:
    if cause.kind is CauseKind.RETRY:
        held = cause.calls
    else:
        held = sorted(cause.time_of, key=lambda i: (-cause.time_of[i], i))
    failed = [i for i in held if spans.status_codes[i] == StatusCode.ERROR]
    if not failed:
        return words
    message = next(
        (quoted(text) for i in failed if (text := _error_text(spans, i))), "no message was recorded"
    )
    advice = words.advice
    if cause.kind is not CauseKind.RETRY:
        advice = "Read the error first, it may explain the time. " + advice
    return words._replace(
        reason=f"{words.reason} {len(failed)} of {counted(len(held), 'span')} failed: {message}.",
        advice=advice,
    )


def _error_text(spans: PathSpans, index: int) -> str | None:
    return spans.status_messages[index] or spans.text(index, ("error.type",))
