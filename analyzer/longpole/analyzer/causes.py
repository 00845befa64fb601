"""Causes: every nanosecond of the path belongs to one reason why it was spent."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from heapq import nsmallest
from typing import NamedTuple

from longpole.analyzer.calls import DB_SYSTEM, QUERY_TEXT, call_key, normalised_query, retries
from longpole.analyzer.critical_path import RawPath, Windows
from longpole.analyzer.labels import Label, PathSegment
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
    NETWORK = "network"
    OVERLAPPED = "overlapped"
    BETWEEN_CHILDREN = "between_children"  # own time of a span that has children
    NO_CHILDREN = "no_children"  # own time of a span without any


class CauseKey(NamedTuple):
    """What groups segments. `detail` is the peer, the query or the parent's index as text."""

    kind: CauseKind
    service: str
    operation: str
    detail: str


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


def leading_causes(
    spans: PathSpans,
    tree: SpanTree,
    found: Windows,
    path: RawPath,
    segments: list[PathSegment],
    limit: int,
) -> list[Cause]:
    """Up to `limit` causes, most time first. Every segment belongs to exactly one cause."""
    attempts_or_repeats: dict[CauseKey, list[int]] = {}
    whole_calls, pauses = _patterns(spans, tree, found, path, attempts_or_repeats)
    keys: list[CauseKey] = []
    totals: dict[CauseKey, int] = {}
    own_key: dict[int, CauseKey] = {}
    for segment in segments:
        index, label, start, end = segment[:4]
        key = whole_calls.get(index)
        if key is None and label is Label.BACKOFF:
            key = pauses.get((index, start, end))
        if key is None and (label is Label.SELF or label is Label.NET_WAIT):
            key = own_key.get(index)
            if key is None:
                key = own_key[index] = _own_time(spans, tree, segment)
        if key is None:
            key = _edge(spans, segment)
        keys.append(key)
        totals[key] = totals.get(key, 0) + end - start
    leading = nsmallest(limit, totals, key=lambda key: (-totals[key], key))
    causes = {
        key: Cause(key, totals[key], calls=attempts_or_repeats.get(key, [])) for key in leading
    }
    for key, segment in zip(keys, segments, strict=True):
        cause = causes.get(key)
        if cause is not None:
            index, label, start, end = segment[:4]
            cause.time_of[index] = cause.time_of.get(index, 0) + end - start
            cause.label_ns[label] = cause.label_ns.get(label, 0) + end - start
            cause.covering.update(segment.covering)
    return list(causes.values())


def _own_time(spans: PathSpans, tree: SpanTree, segment: PathSegment) -> CauseKey:
    index = segment.span
    service, operation = spans.services[index], spans.names[index]
    if not tree.children[index] or segment.label is Label.NET_WAIT:
        database = spans.text(index, _DATABASE)
        if database is not None:
            return CauseKey(CauseKind.DATABASE, service, operation, normalised_query(database))
        if segment.label is Label.NET_WAIT:
            return CauseKey(CauseKind.UNINSTRUMENTED_CALL, service, operation, segment.peer or "")
        return CauseKey(CauseKind.NO_CHILDREN, service, operation, "")
    return CauseKey(CauseKind.BETWEEN_CHILDREN, service, operation, "")


def _edge(spans: PathSpans, segment: PathSegment) -> CauseKey:
    service, operation = spans.services[segment.span], spans.names[segment.span]
    if segment.label in (Label.NET_REQUEST, Label.NET_RESPONSE):
        return CauseKey(CauseKind.NETWORK, service, operation, segment.peer or "")
    if segment.label is Label.SELF_OVERLAPPED:
        return CauseKey(CauseKind.OVERLAPPED, service, operation, "")
    return CauseKey(CauseKind.BETWEEN_CHILDREN, service, operation, "")


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
            key = CauseKey(CauseKind.RETRY, spans.services[one], spans.names[one], str(parent))
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
            key = CauseKey(
                CauseKind.REPEATED_CALL,
                spans.services[first],
                spans.names[first],
                f"{parent} {number}",
            )
            repeated[key] = same
    return repeated
