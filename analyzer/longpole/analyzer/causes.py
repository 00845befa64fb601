"""Causes: every nanosecond of the path belongs to one reason why it was spent."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from heapq import nsmallest
from typing import TypeAlias

from longpole.analyzer.calls import (
    DB_SYSTEM,
    MESSAGING_SYSTEM,
    QUERY_TEXT,
    call_key,
    normalised_query,
    retries,
)
from longpole.analyzer.critical_path import DetachReason, RawPath, Windows
from longpole.analyzer.detached_callee import detached_callee
from longpole.analyzer.labels import Label, PathSegments
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.tree import SpanTree
from longpole.model.span import SpanKind, StatusCode

# So many equal calls of one span, one after the other, are a pattern and no coincidence.
FEWEST_REPEATED_CALLS = 5


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
_DATABASE_CALL = CauseKind.DATABASE.value
_UNINSTRUMENTED_CALL = CauseKind.UNINSTRUMENTED_CALL.value
_GAVE_UP = CauseKind.GAVE_UP.value
_UNFITTING_CALLEE = CauseKind.UNFITTING_CALLEE.value
_PUBLISH = CauseKind.PUBLISH.value
_NO_CHILDREN = CauseKind.NO_CHILDREN.value
_BETWEEN_CHILDREN = CauseKind.BETWEEN_CHILDREN.value


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
        return CauseKind(self.key[0])

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
) -> list[Cause]:
    """Up to `limit` causes, most time first. Every segment belongs to exactly one cause."""
    attempts_or_repeats: dict[CauseKey, list[int]] = {}
    whole_calls, pauses = _patterns(spans, tree, found, path, attempts_or_repeats)
    keys: list[CauseKey] = []
    totals: dict[CauseKey, int] = {}
    own_key: dict[int, CauseKey] = {}
    own_time, waiting = Label.SELF, Label.NET_WAIT
    columns = (segments.owners, segments.labels, segments.starts, segments.ends, segments.peers)
    for index, label, start, end, peer in zip(*columns, strict=True):
        key = whole_calls.get(index) if whole_calls else None
        if key is None:
            if label is own_time or label is waiting:
                key = own_key.get(index)
                if key is None:
                    key = own_key[index] = _own_time(spans, tree, found, index, label, peer)
            else:
                key = pauses.get((index, start, end)) or _edge(spans, index, label, peer)
        keys.append(key)
        totals[key] = totals.get(key, 0) + end - start
    leading = nsmallest(limit, totals, key=lambda key: (-totals[key], key))
    causes = {
        key: Cause(key, totals[key], calls=attempts_or_repeats.get(key, [])) for key in leading
    }
    columns_of_time = (segments.owners, segments.labels, segments.starts, segments.ends)
    for place, (key, index, label, start, end) in enumerate(
        zip(keys, *columns_of_time, strict=True)
    ):
        cause = causes.get(key)
        if cause is not None:
            cause.time_of[index] = cause.time_of.get(index, 0) + end - start
            cause.label_ns[label] = cause.label_ns.get(label, 0) + end - start
            if place in segments.covering:
                cause.covering.update(segments.covering[place][0])
    return list(causes.values())


def _own_time(
    spans: PathSpans, tree: SpanTree, found: Windows, index: int, label: Label, peer: str | None
) -> CauseKey:
    service, operation = spans.services[index], spans.names[index]
    if label is Label.NET_WAIT:
        kind, callee = _wait(spans, tree, found, index)
        if kind != _DATABASE_CALL:
            return (kind, service, operation, callee or peer or "")
    if label is Label.NET_WAIT or not tree.children[index]:
        database = spans.text(index, _DATABASE)
        if database is not None:
            return (_DATABASE_CALL, service, operation, normalised_query(database))
        return (_NO_CHILDREN, service, operation, "")
    return (_BETWEEN_CHILDREN, service, operation, "")


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
        return (CauseKind.NETWORK.value, service, operation, peer or "")
    if label is Label.SELF_OVERLAPPED:
        return (CauseKind.OVERLAPPED.value, service, operation, "")
    return (_BETWEEN_CHILDREN, service, operation, "")


def _patterns(
    spans: PathSpans,
    tree: SpanTree,
    found: Windows,
    path: RawPath,
    calls_of: dict[CauseKey, list[int]],
) -> tuple[dict[int, CauseKey], dict[tuple[int, int, int], CauseKey]]:
    """Spans on the path whose whole subtree belongs to a retry or a repeated call, and the
    pauses between attempts as (parent, start, end)."""
    on_path: dict[int, list[int]] = {}
    for index in path.visited[1:]:
        on_path.setdefault(tree.parents[index], []).append(index)
    whole_calls: dict[int, CauseKey] = {}
    pauses: dict[tuple[int, int, int], CauseKey] = {}
    attempted: set[int] = set()
    for parent in path.visited:
        children = on_path.get(parent)
        if children is None:
            continue
        above = whole_calls.get(parent)
        if above is not None:
            whole_calls.update((child, above) for child in children)
            continue
        if len(children) < 2:
            continue
        for one, following in retries(spans, children, found.starts, found.ends):
            key = (CauseKind.RETRY.value, spans.services[one], spans.names[one], str(parent))
            calls = calls_of.setdefault(key, [])
            calls.extend(i for i in (one, following) if i not in calls[-1:])
            pauses[parent, found.ends[one], found.starts[following]] = key
            whole_calls[one] = key
            # The last attempt is the work that was wanted, unless it failed too.
            if spans.status_codes[following] == StatusCode.ERROR:
                whole_calls[following] = key
            attempted.update((one, following))
        other = [child for child in children if child not in attempted]
        for key, calls in _repeated(spans, parent, other).items():
            calls_of[key] = sorted(calls, key=lambda c: (found.starts[c], c))
            whole_calls.update((call, key) for call in calls)
    return whole_calls, pauses


def _repeated(spans: PathSpans, parent: int, children: list[int]) -> dict[CauseKey, list[int]]:
    outgoing = (SpanKind.CLIENT, SpanKind.PRODUCER)
    calls = [
        child
        for child in children
        if spans.kinds[child] in outgoing or spans.text(child, DB_SYSTEM) is not None
    ]
    if len(calls) < FEWEST_REPEATED_CALLS:
        return {}
    groups: dict[tuple[object, ...], list[int]] = {}
    for call in calls:
        groups.setdefault(call_key(spans, call), []).append(call)
    repeated: dict[CauseKey, list[int]] = {}
    for number, same in enumerate(groups[key] for key in sorted(groups, key=repr)):
        if len(same) >= FEWEST_REPEATED_CALLS:
            first = min(same)
            key = (
                CauseKind.REPEATED_CALL.value,
                spans.services[first],
                spans.names[first],
                f"{parent} {number}",
            )
            repeated[key] = same
    return repeated
