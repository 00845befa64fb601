"""Causes: every nanosecond of the path belongs to one reason why it was spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import nsmallest
from typing import TypeAlias

from longpole.analyzer.calls import (
    DB_SYSTEM,
    MESSAGING_SYSTEM,
    QUERY_TEXT,
    normalised_query,
)
from longpole.analyzer.claims import Claim
from longpole.analyzer.critical_path import DetachReason, RawPath, Windows
from longpole.analyzer.detached_callee import detached_callee
from longpole.analyzer.labels import Label, PathSegments
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.patterns import patterns_of
from longpole.analyzer.tree import SpanTree
from longpole.model.span import SpanKind

_DATABASE = (*QUERY_TEXT, *DB_SYSTEM)


class CauseKind(StrEnum):
    """Why time was spent, from the strongest statement to the weakest."""

    RETRY = "retry"  # failed attempts and the pauses between them
    REPEATED_CALL = "repeated_call"  # the same call again and again (N+1)
    DATABASE = "database"
    UNINSTRUMENTED_CALL = "uninstrumented_call"
    GAVE_UP = "gave_up"  # the callee ran on after its caller had stopped waiting
    UNFITTING_CALLEE = "unfitting_callee"  # the callee's span lies beside the call, not in it
    PUBLISH = "publish"  # a message broker took, or gave, a message
    NETWORK = "network"
    OVERLAPPED = "overlapped"
    BETWEEN_CHILDREN = "between_children"  # own time of a span that has children
    NO_CHILDREN = "no_children"  # own time of a span without any


# What groups segments: kind, service, operation, and the peer, query or parent as text. A plain
# tuple of plain texts, because there may be one for every span.
CauseKey: TypeAlias = tuple[str, str, str, str]


# Plain texts: an enum's hash is computed in Python, once for every span.
_RETRY = CauseKind.RETRY.value
_REPEATED_CALL = CauseKind.REPEATED_CALL.value
_DATABASE_CALL = CauseKind.DATABASE.value
_UNINSTRUMENTED_CALL = CauseKind.UNINSTRUMENTED_CALL.value
_GAVE_UP = CauseKind.GAVE_UP.value
_UNFITTING_CALLEE = CauseKind.UNFITTING_CALLEE.value
_PUBLISH = CauseKind.PUBLISH.value
_NETWORK = CauseKind.NETWORK.value
_OVERLAPPED = CauseKind.OVERLAPPED.value
_NO_CHILDREN = CauseKind.NO_CHILDREN.value
_CLAIMED = "claimed"  # by a finding; no cause of its own
_WHOLE_CALLS = (_RETRY, _REPEATED_CALL)
_BETWEEN_CHILDREN = CauseKind.BETWEEN_CHILDREN.value
_KINDS = {kind.value: kind for kind in CauseKind}


@dataclass(slots=True)
class Cause:
    """The segments of one cause. `time_of` has the path time by span index, `calls` the spans
    that are repeated or attempted, in time order."""

    key: CauseKey
    critical_ns: int = 0
    time_of: dict[int, int] = field(default_factory=dict)
    label_ns: dict[Label, int] = field(default_factory=dict)
    calls: list[int] = field(default_factory=list)
    covering: set[int] = field(default_factory=set)

    @property
    def kind(self) -> CauseKind:
        """Why the time was spent."""
        return _KINDS[self.key[0]]

    @property
    def service(self) -> str:
        """The service whose spans hold the time."""
        return self.key[1]

    @property
    def operation(self) -> str:
        """The operation of these spans."""
        return self.key[2]

    @property
    def detail(self) -> str:
        """The callee of a call, where it is known."""
        return self.key[3]


def leading_causes(
    spans: PathSpans,
    tree: SpanTree,
    found: Windows,
    path: RawPath,
    segments: PathSegments,
    limit: int,
    claims: Sequence[Claim] = (),
) -> tuple[list[Cause], list[Cause]]:
    """What each claim holds, in their order, and up to `limit` causes of all else, most time
    first. Every segment belongs to exactly one claim or cause."""
    patterns = patterns_of(spans, tree, found, path)
    whole_calls: dict[int, CauseKey] = {i: (_RETRY, *p) for i, p in patterns.retried.items()}
    whole_calls.update((i, (_REPEATED_CALL, *p)) for i, p in patterns.repeated.items())
    # Keys are numbered as they are met: a number is looked up quicker than four texts.
    numbers: dict[CauseKey, int] = {}
    of_segment: list[int] = []
    own: dict[int, int] = {}
    own_time, waiting, backoff = Label.SELF, Label.NET_WAIT, Label.BACKOFF
    has_databases = spans.may_have(_DATABASE)
    columns = (segments.owners, segments.labels, segments.starts, segments.peers)
    for index, label, start, peer in zip(*columns, strict=True):
        key = whole_calls.get(index) if whole_calls else None
        if key is None and (label is own_time or label is waiting):
            number = own.get(index)
            if number is None:
                key = _own_time(spans, tree, found, index, label, peer, has_databases)
                number = own[index] = numbers.setdefault(key, len(numbers))
        else:
            if key is None:
                pause = patterns.pause(index, start) if label is backoff else None
                key = (_RETRY, *pause) if pause else _edge(spans, index, label, peer)
            number = numbers.setdefault(key, len(numbers))
        of_segment.append(number)
    claimed = len(claims)
    if claims:
        named = list(numbers)
        keys = _handed_over([named[number] for number in of_segment], segments, claims)
        numbers = {_claim_key(place): place for place in range(claimed)}
        of_segment = [numbers.setdefault(key, len(numbers)) for key in keys]
    totals = [0] * len(numbers)
    for number, start, end in zip(of_segment, segments.starts, segments.ends, strict=True):
        totals[number] += end - start
    named = list(numbers)
    leading = nsmallest(
        limit, range(claimed, len(named)), key=lambda number: (-totals[number], named[number])
    )
    causes = {
        number: Cause(
            named[number], totals[number], calls=patterns.calls.get(named[number][1:], [])
        )
        for number in (*range(claimed), *leading)
    }
    for place, number in enumerate(of_segment):
        cause = causes.get(number)
        if cause is not None:
            index, label = segments.owners[place], segments.labels[place]
            held = segments.ends[place] - segments.starts[place]
            cause.time_of[index] = cause.time_of.get(index, 0) + held
            cause.label_ns[label] = cause.label_ns.get(label, 0) + held
            if place in segments.covering:
                cause.covering.update(segments.covering[place][0])
    return [causes[place] for place in range(claimed)], [causes[number] for number in leading]


def _claim_key(place: int) -> CauseKey:
    return (_CLAIMED, str(place), "", "")


def _handed_over(
    keys: list[CauseKey], segments: PathSegments, claims: Sequence[Claim]
) -> list[CauseKey]:
    """The keys with those of claimed segments replaced; the first claim counts. Evidence names
    some calls of a pattern: the claim that names their operation gets all of them, and a retry's
    pauses with it."""
    owners = list(zip(segments.owners, segments.labels, strict=True))
    held = [
        next((place for place, claim in enumerate(claims) if claim.holds(*owner)), -1)
        for owner in owners
    ]
    whole: dict[CauseKey, int] = {}
    for key, place in zip(keys, held, strict=True):
        if place >= 0 and key[0] in _WHOLE_CALLS and claims[place].place == key[1:3]:
            whole[key] = min(place, whole.get(key, place))
    return [
        _claim_key(place) if place >= 0 else key
        for key, place in (
            (key, place if place >= 0 else whole.get(key, -1))
            for key, place in zip(keys, held, strict=True)
        )
    ]


def _own_time(
    spans: PathSpans,
    tree: SpanTree,
    found: Windows,
    index: int,
    label: Label,
    peer: str | None,
    has_databases: bool,
) -> CauseKey:
    service, operation = spans.services[index], spans.names[index]
    if label is Label.NET_WAIT:
        kind, callee = _wait(spans, tree, found, index)
        if kind == _DATABASE_CALL:
            text = spans.text(index, _DATABASE) or ""
            return (kind, service, operation, normalised_query(text))
        return (kind, service, operation, callee or peer or "")
    kind = _BETWEEN_CHILDREN if tree.children[index] else _NO_CHILDREN
    if has_databases and _asks_database(spans, tree, index):
        database = spans.text(index, _DATABASE)
        if database is not None:
            return (_DATABASE_CALL, service, operation, normalised_query(database))
    return (kind, service, operation, "")


def _asks_database(spans: PathSpans, tree: SpanTree, index: int) -> bool:
    """Whether own time of a span that names a database is spent waiting for it. A child for the
    connection pool or a decoder changes nothing about that; one that asks the database itself
    leaves its parent only the code around it."""
    children = tree.children[index]
    if not children or spans.kinds[index] != SpanKind.CLIENT:
        return not children
    if spans.text(index, _DATABASE) is None:
        return False
    return not any(
        spans.kinds[child] == SpanKind.CLIENT or spans.text(child, _DATABASE) is not None
        for child in children
    )


def _wait(spans: PathSpans, tree: SpanTree, found: Windows, index: int) -> tuple[str, str | None]:
    """What a call waits for that no running child explains, and the callee if its spans say."""
    if spans.kinds[index] == SpanKind.PRODUCER:
        return _PUBLISH, None
    callee = detached_callee(spans, tree, found, index) if tree.children[index] else None
    if callee is not None:
        is_outlived = callee.reason is DetachReason.OUTLIVES_PARENT
        kind = _GAVE_UP if is_outlived else _UNFITTING_CALLEE
        return kind, spans.services[callee.span]
    if spans.text(index, _DATABASE) is not None:
        return _DATABASE_CALL, None
    if spans.text(index, MESSAGING_SYSTEM) is not None:
        return _PUBLISH, None
    return _UNINSTRUMENTED_CALL, None


def _edge(spans: PathSpans, index: int, label: Label, peer: str | None) -> CauseKey:
    service, operation = spans.services[index], spans.names[index]
    if label is Label.NET_REQUEST or label is Label.NET_RESPONSE:
        return (_NETWORK, service, operation, peer or "")
    if label is Label.SELF_OVERLAPPED:
        return (_OVERLAPPED, service, operation, "")
    return (_BETWEEN_CHILDREN, service, operation, "")
