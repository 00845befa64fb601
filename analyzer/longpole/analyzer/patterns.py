"""Patterns among the calls on a path: retries, and the same call again and again (N+1)."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TypeAlias

from longpole.analyzer.calls import DB_SYSTEM, CallKey, call_key, without_ids
from longpole.analyzer.critical_path import RawPath, Windows
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.retries import may_have_retries, retries
from longpole.analyzer.tree import SpanTree
from longpole.model.span import SpanKind, StatusCode

# So many equal calls, one after the other, are a pattern and no coincidence.
FEWEST_REPEATED_CALLS = 5
# Calls are counted below an ancestor that may be so many spans above them, since a repository
# or a client library often wraps each call in a span of its own.
MOST_WRAPPERS = 3
_OUTGOING = (int(SpanKind.CLIENT), int(SpanKind.PRODUCER))

# service, operation and a text that tells two patterns of the same call apart
_Place: TypeAlias = tuple[str, str, str]


@dataclass(slots=True)
class Patterns:
    """`retried` and `repeated` name the pattern whose time all path time of a span is, its
    subtree included; `calls` has the spans that are attempted or repeated, in time order."""

    retried: dict[int, _Place] = field(default_factory=dict)
    repeated: dict[int, _Place] = field(default_factory=dict)
    calls: dict[_Place, list[int]] = field(default_factory=dict)
    pauses: dict[int, list[tuple[int, int, _Place]]] = field(default_factory=dict)

    def pause(self, parent: int, at: int) -> _Place | None:
        """The retry between whose attempts `parent` pauses at this instant."""
        pauses = self.pauses.get(parent)
        if pauses is None:
            return None
        place = bisect_right(pauses, at, key=lambda pause: pause[0]) - 1
        return pauses[max(place, 0)][2]


def patterns_of(spans: PathSpans, tree: SpanTree, found: Windows, path: RawPath) -> Patterns:
    """The patterns on one path. A span belongs to one at most: to a repeated call before a
    retry, and to the outermost one of each."""
    patterns = Patterns()
    if may_have_retries(spans):
        _find_retries(spans, found, path, patterns)
    attempted = {call for calls in patterns.calls.values() for call in calls}
    _find_repeated(spans, tree, found, path, attempted, patterns)
    if not patterns.calls:
        return patterns
    for index in path.visited[1:]:  # parents come first
        for whole in (patterns.retried, patterns.repeated):
            above = whole.get(tree.parents[index])
            if above is not None:
                whole[index] = above
    return patterns


def _find_retries(spans: PathSpans, found: Windows, path: RawPath, patterns: Patterns) -> None:
    for parent in path.visited:
        # Children off the path too: an attempt may have failed without any duration.
        children = found.blocking[parent]
        if len(children) < 2:
            continue
        pairs = retries(spans, children, found.starts, found.ends)
        calls: dict[_Place, set[int]] = {}
        for one, following in pairs:
            place = (spans.services[one], spans.names[one], str(parent))
            calls.setdefault(place, set()).update((one, following))
            pauses = patterns.pauses.setdefault(parent, [])
            pauses.append((found.ends[one], found.starts[following], place))
            patterns.retried[one] = place
            # The last attempt is the work that was wanted, unless it failed too.
            if spans.status_codes[following] == StatusCode.ERROR:
                patterns.retried[following] = place
        for place, attempts in calls.items():
            patterns.calls[place] = sorted(attempts, key=lambda c: (found.starts[c], c))
        if pairs:
            patterns.pauses[parent].sort()


def _find_repeated(
    spans: PathSpans,
    tree: SpanTree,
    found: Windows,
    path: RawPath,
    attempted: set[int],
    patterns: Patterns,
) -> None:
    """Equal calls below one ancestor, behind equal wrappers. Spans on a path take turns, so
    they run one after the other."""
    if len(path.visited) <= FEWEST_REPEATED_CALLS:
        return  # the root is none
    kinds, has_databases = spans.kinds, spans.may_have(DB_SYSTEM)
    calls = [
        index
        for index in path.visited[1:]
        if index not in attempted
        and (
            kinds[index] in _OUTGOING
            or (has_databases and spans.text(index, DB_SYSTEM) is not None)
        )
    ]
    if len(calls) < FEWEST_REPEATED_CALLS:
        return
    alike: dict[tuple[object, ...], list[int]] = {}
    for call in calls:
        below = (*_wrappers(spans, tree, call), spans.services[call])
        alike.setdefault((*below, without_ids(spans.names[call])), []).append(call)
    repeated: list[list[int]] = []
    for some in alike.values():
        if len(some) < FEWEST_REPEATED_CALLS:
            continue  # what they ask for costs more to compare
        groups: dict[CallKey, list[int]] = {}
        for call in some:
            groups.setdefault(call_key(spans, call), []).append(call)
        repeated += (same for same in groups.values() if len(same) >= FEWEST_REPEATED_CALLS)
    for same in sorted(repeated, key=min):
        first = min(same)
        place = (spans.services[first], spans.names[first], f"call {first}")
        patterns.calls[place] = sorted(same, key=lambda c: (found.starts[c], c))
        patterns.repeated.update((call, place) for call in same)


def _wrappers(spans: PathSpans, tree: SpanTree, call: int) -> tuple[int, tuple[str, ...]]:
    """The span above the internal spans of the same service around a call, and their names."""
    names: list[str] = []
    above = tree.parents[call]
    while (
        len(names) < MOST_WRAPPERS - 1
        and tree.parents[above] >= 0
        and spans.kinds[above] == SpanKind.INTERNAL
        and spans.services[above] == spans.services[call]
    ):
        names.append(without_ids(spans.names[above]))
        above = tree.parents[above]
    return above, tuple(names)
