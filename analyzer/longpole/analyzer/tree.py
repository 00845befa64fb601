"""The tree of a trace: who is whose parent, which spans are roots, and which root counts."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import repeat
from typing import Any, NamedTuple

from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.repair import NAMED_SPANS
from longpole.analyzer.wording import duration_text, named
from longpole.model.problem import Problem, Severity
from longpole.model.span import SpanKind

NO_PARENT = -1
ROOTS_IN_WORDS = 3  # so many further roots are named in the sentence about them


class RootKind(StrEnum):
    """Why a span has no parent in the tree."""

    TRUE = "root"  # it names none
    ORPHAN = "orphan"  # the one it names is not in the trace
    CYCLE = "cycle"  # its ancestors lead back to it


_TRUE, _ORPHAN = RootKind.TRUE, RootKind.ORPHAN


class SpanTree(NamedTuple):
    """A forest over the indices of repaired spans.

    `parents[i]` is an index or `NO_PARENT`; `children[i]` ascends. `order` holds every span,
    parents before children. `primary` is the root that defines the trace's path, -1 for a
    trace without spans. `is_headless`: no span is a true root.
    """

    parents: list[int]
    children: list[Sequence[int]]
    order: list[int]
    roots: dict[int, RootKind]
    primary: int
    is_headless: bool
    problems: tuple[Problem, ...]

    @property
    def orphans(self) -> int:
        """How many spans name a parent that is not in the trace."""
        return sum(kind is RootKind.ORPHAN for kind in self.roots.values())

    def other_roots(self, spans: PathSpans) -> list[int]:
        """The true roots beside the primary one, longest first."""
        return _other_true_roots(spans, self.roots, self.primary)


def build_tree(spans: PathSpans) -> SpanTree:
    """The forest of spans in the order that `repair` gave them.

    Two spans that share an id as CLIENT and SERVER become parent and child, and children of
    that id that carry the server's service go under the server (Zipkin's and Jaeger's rule).
    Other repeated ids are all kept; their children go to the first. Links never make a
    parent. A cycle is broken at its span with the smallest (start, id).
    """
    problems: list[Problem] = []
    parents = _named_parents(spans, problems)
    children, roots = _children_and_roots(spans, parents)
    order = list(roots)
    for index in order:  # grows while it is walked: parents first, no recursion
        below = children[index]
        if below:
            order.extend(below)
    if len(order) < len(parents):
        _break_cycles(spans, parents, children, roots, order)
    if len(roots) == 1 and not problems:
        [(primary, kind)] = roots.items()
        if kind is _TRUE:  # as nearly always
            return SpanTree(parents, children, order, roots, primary, False, ())
    in_cycles = [i for i, kind in roots.items() if kind is RootKind.CYCLE]
    if in_cycles:
        problems.append(
            Problem(
                "parent_cycle",
                "Spans whose parents lead back to themselves were made roots at the earliest one.",
                Severity.WARNING,
                len(in_cycles),
                _ids(spans, in_cycles),
            )
        )
    orphans = [i for i, kind in roots.items() if kind is RootKind.ORPHAN]
    if orphans:
        problems.append(
            Problem(
                "missing_parent",
                "Spans whose parent is not in the trace are analysed as trees of their own.",
                Severity.WARNING,
                len(orphans),
                _ids(spans, orphans),
            )
        )
    primary = _primary(spans, roots)
    others = _other_true_roots(spans, roots, primary)
    if others:
        problems.append(_further_roots(spans, others))
    is_headless = bool(roots) and roots[primary] is not RootKind.TRUE
    if is_headless:
        problems.append(
            Problem(
                "headless",
                "No span of the trace is a true root; the longest tree stands in for it.",
                Severity.WARNING,
                1,
                _ids(spans, [primary]),
            )
        )
    return SpanTree(parents, children, order, roots, primary, is_headless, tuple(problems))


def _children_and_roots(
    spans: PathSpans, parents: list[int]
) -> tuple[list[Sequence[int]], dict[int, RootKind]]:
    """The children of each span, and who has no parent; a span that is its own has none from
    here on. Most spans have no children: they share one empty tuple, which saves a list for
    each."""
    children: list[Any] = [()] * len(parents)
    roots: dict[int, RootKind] = {}
    for index, parent in enumerate(parents):
        if parent < 0:
            roots[index] = _ORPHAN if spans.parent_ids[index] else _TRUE
        elif parent == index:
            roots[index] = RootKind.CYCLE
            parents[index] = NO_PARENT
        elif children[parent]:
            children[parent].append(index)
        else:
            children[parent] = [index]
    return children, roots


def _named_parents(spans: PathSpans, problems: list[Problem]) -> list[int]:
    """The parent that each span names: `NO_PARENT` for none and for one that is not in the trace,
    the span itself for one that names itself."""
    ids = spans.span_ids
    first = dict(zip(ids, range(len(ids)), strict=True))
    if len(first) == len(ids):
        first.pop(0, None)  # to name 0 is to name nobody
        return list(map(first.get, spans.parent_ids, repeat(NO_PARENT)))
    first = dict(zip(reversed(ids), range(len(ids) - 1, -1, -1), strict=True))
    servers = _shared_ids(spans, first, problems)
    client_of = {server: client for client, server in servers.items()}
    parents: list[int] = []
    services = spans.services
    for index, parent_id in enumerate(spans.parent_ids):
        if index in client_of:
            parents.append(client_of[index])
            continue
        parent = first.get(parent_id, NO_PARENT) if parent_id else NO_PARENT
        if parent >= 0 and parent_id == ids[index]:
            parent = index
        elif parent in servers and services[index] == services[servers[parent]]:
            parent = servers[parent]
        parents.append(parent)
    return parents


def _shared_ids(spans: PathSpans, first: dict[int, int], problems: list[Problem]) -> dict[int, int]:
    """Server by client for ids that exactly one of each shares. The client stands in `first`."""
    servers: dict[int, int] = {}
    repeated: list[int] = []
    ids, kinds = spans.span_ids, spans.kinds
    index = 0
    while index < len(ids):
        end = index + 1
        while end < len(ids) and ids[end] == ids[index]:
            end += 1
        if end - index == 2 and {kinds[index], kinds[index + 1]} == {
            SpanKind.CLIENT,
            SpanKind.SERVER,
        }:
            client = index if kinds[index] == SpanKind.CLIENT else index + 1
            servers[client] = 2 * index + 1 - client
            first[ids[index]] = client
        elif end - index > 1:
            repeated.append(index)
        index = end
    if repeated:
        problems.append(
            Problem(
                "repeated_span_id",
                "Different spans carry the same id; all are kept, children go to the first.",
                Severity.WARNING,
                len(repeated),
                _ids(spans, repeated),
            )
        )
    return servers


def _break_cycles(
    spans: PathSpans,
    parents: list[int],
    children: list[Sequence[int]],
    roots: dict[int, RootKind],
    order: list[int],
) -> None:
    """Make one span of each cycle a root, and append the spans that hang on it to `order`."""
    is_placed = [False] * len(parents)
    for index in order:
        is_placed[index] = True
    walk_of: dict[int, int] = {}  # which walk met the span first
    for begin in range(len(parents)):
        index = begin
        while not is_placed[index] and index not in walk_of:
            walk_of[index] = begin
            index = parents[index]
        if is_placed[index] or walk_of[index] != begin:
            continue  # ran into a part that an earlier walk dealt with
        cycle = [index]
        while parents[cycle[-1]] != index:
            cycle.append(parents[cycle[-1]])
        root = min(cycle, key=lambda i: (spans.starts[i], i))
        children[parents[root]] = [c for c in children[parents[root]] if c != root]
        parents[root] = NO_PARENT
        roots[root] = RootKind.CYCLE
        place = len(order)
        order.append(root)
        while place < len(order):
            is_placed[order[place]] = True
            order.extend(children[order[place]])
            place += 1


def _primary(spans: PathSpans, roots: dict[int, RootKind]) -> int:
    true_roots = [i for i, kind in roots.items() if kind is RootKind.TRUE]
    candidates = true_roots or list(roots)
    if not candidates:
        return -1
    starts, ends = spans.starts, spans.ends
    return min(candidates, key=lambda i: (starts[i] - ends[i], starts[i], i))


def _other_true_roots(spans: PathSpans, roots: dict[int, RootKind], primary: int) -> list[int]:
    others = [i for i, kind in roots.items() if kind is RootKind.TRUE and i != primary]
    return sorted(others, key=lambda i: (spans.starts[i] - spans.ends[i], spans.starts[i], i))


def _further_roots(spans: PathSpans, others: list[int]) -> Problem:
    told = [
        f"{named(spans.services[i])} › {named(spans.names[i])} "
        f"{duration_text(spans.ends[i] - spans.starts[i])}"
        for i in others[:ROOTS_IN_WORDS]
    ]
    more = len(others) - len(told)
    beside = ", ".join(told) + (f" and {more} more" if more else "")
    return Problem(
        "several_roots",
        "The trace has several roots; its path and verdict are those of the longest. "
        f"Beside it: {beside}.",
        Severity.WARNING,
        len(others),
        _ids(spans, others),
    )


def _ids(spans: PathSpans, indices: list[int]) -> tuple[int, ...]:
    return tuple(spans.span_ids[i] for i in indices[:NAMED_SPANS])
