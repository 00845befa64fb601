"""Autogroups: rows that a reader would skip as one, worked out so that every viewer sees the same.

price                          price
├─ SELECT item 1                └─ ×48 SELECT item   siblings: same service and operation,
├─ SELECT item 2     ─▶                              fingerprint and shape of what is below
└─ …
filter ─ filter ─ filter ─ x   ×3 filter ─ x         chain: each only hands on to the next
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from longpole.analyzer.calls import QUERY_TEXT, normalised_query, without_ids
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.reports.trace_columns.preorder import Preorder

Ints = npt.NDArray[np.int64]

FEWEST_SIBLINGS = 5
FEWEST_LINKS = 3
CHAIN_COVERED = 0.95  # of a span by its only child
CHAIN_SELF = 0.01  # of the trace may be the span's own
SEQUENTIAL_OVERLAP, PARALLEL_OVERLAP = 0.1, 0.5
# Beyond, the name alone tells queries apart: normalising a text takes some microseconds.
MOST_QUERIES = 20_000


class GroupKind(StrEnum):
    """Why rows stand together."""

    SIBLINGS = "siblings"
    CHAIN = "chain"


@dataclass(frozen=True, slots=True)
class Group:
    """Spans of `count` rows drawn as one below the row `parent` (-1: at the top); `first_row` is
    the first of them. `order` says how siblings ran: `sequential`, `parallel` or `mixed`."""

    parent: int
    kind: GroupKind
    label: str
    count: int
    total_ns: int
    mean_ns: int
    max_ns: int
    order: str
    first_row: int


@dataclass(frozen=True, slots=True)
class Rows:
    """What groups are made of, by row: nanoseconds from the start of the axis, the operation (a
    code into `names`, each with its service), and whether the span failed."""

    starts: Ints
    ends: Ints
    self_ns: Ints
    operations: Ints
    names: Sequence[tuple[str, str]]
    failed: npt.NDArray[np.bool_]


def groups_of(
    spans: PathSpans, order: Preorder, rows: Rows, length_ns: int
) -> tuple[list[Group], npt.NDArray[np.int32]]:
    """All groups, and by row the group of the span or -1. `length_ns` is the trace's."""
    member = np.full(rows.starts.size, -1, np.int32)
    groups = _siblings(spans, order, rows, member)
    _chains(order, rows, length_ns, member, groups)
    return groups, member


def _siblings(
    spans: PathSpans, order: Preorder, rows: Rows, member: npt.NDArray[np.int32]
) -> list[Group]:
    kinds = fingerprints(rows.names)[rows.operations]
    counts: dict[tuple[int, int], list[int]] = {}
    for row, key in enumerate(zip(order.parents.tolist(), kinds.tolist(), strict=True)):
        if key[0] >= 0:
            known = counts.get(key)
            if known is None:
                counts[key] = [row]
            else:
                known.append(row)
    families = [family for family in counts.values() if len(family) >= FEWEST_SIBLINGS]
    if not families:
        return []
    shapes = _shapes(order, kinds)
    indices = order.indices
    left = MOST_QUERIES
    groups: list[Group] = []
    for family in sorted(families):
        alike: dict[tuple[int, str], list[int]] = {}
        left -= len(family)
        for row in family:
            query = spans.text(int(indices[row]), QUERY_TEXT) if left >= 0 else None
            asked = normalised_query(query) if query else ""
            alike.setdefault((shapes[row], asked), []).append(row)
        for found in alike.values():
            if len(found) >= FEWEST_SIBLINGS:
                member[found] = len(groups)
                groups.append(_group(order, rows, GroupKind.SIBLINGS, found))
    return groups


def fingerprints(names: Sequence[tuple[str, str]]) -> Ints:
    """By operation a number that is equal for the same service and name, ids aside."""
    known: dict[tuple[str, str], int] = {}
    return np.array(
        [known.setdefault((service, without_ids(name)), len(known)) for service, name in names],
        np.int64,
    )


def _shapes(order: Preorder, kinds: Ints) -> list[int]:
    """By row a number that is equal where the same kinds of spans hang below, however many of
    each; 0 for leaves."""
    below: dict[int, set[tuple[int, int]]] = {}
    known: dict[frozenset[tuple[int, int]], int] = {frozenset(): 0}
    shapes = [0] * kinds.size
    parents, kind_of = order.parents.tolist(), kinds.tolist()
    for row in range(kinds.size - 1, -1, -1):
        own = below.pop(row, None)
        if own is not None:
            shapes[row] = known.setdefault(frozenset(own), len(known))
        parent = parents[row]
        if parent >= 0:
            held = below.get(parent)
            if held is None:
                held = below[parent] = set()
            held.add((kind_of[row], shapes[row]))
    return shapes


def _group(order: Preorder, rows: Rows, kind: GroupKind, found: Sequence[int]) -> Group:
    starts, ends = rows.starts[found], rows.ends[found]
    lengths = (ends - starts).tolist()
    # A chain's spans contain each other: its time is that of the first.
    total = sum(lengths) if kind is GroupKind.SIBLINGS else lengths[0]
    service, name = rows.names[int(rows.operations[found[0]])]
    return Group(
        parent=int(order.parents[found[0]]),
        kind=kind,
        label=without_ids(name) if kind is GroupKind.SIBLINGS else name,
        count=len(found),
        total_ns=total,
        mean_ns=total // len(found),
        max_ns=max(lengths),
        order=_overlap(starts, ends, sum(lengths)) if kind is GroupKind.SIBLINGS else "sequential",
        first_row=int(found[0]),
    )


def _overlap(starts: Ints, ends: Ints, total: int) -> str:
    """How the intervals lie, which ascend by start."""
    reached = np.maximum.accumulate(ends)
    free = np.maximum(starts[1:] - reached[:-1], 0).sum()
    union = int(reached[-1] - starts[0] - free)
    share = (total - union) / total if total else 0.0
    if share < SEQUENTIAL_OVERLAP:
        return "sequential"
    return "parallel" if share > PARALLEL_OVERLAP else "mixed"


def _chains(
    order: Preorder,
    rows: Rows,
    length_ns: int,
    member: npt.NDArray[np.int32],
    groups: list[Group],
) -> None:
    """An only child stands in the next row, so a chain is a run of rows that hand on."""
    count = rows.starts.size
    if count < FEWEST_LINKS + 1:
        return
    services = {name: code for code, name in enumerate(dict.fromkeys(s for s, _ in rows.names))}
    service = np.array([services[s] for s, _ in rows.names], np.int64)[rows.operations]
    above = np.flatnonzero(order.parents >= 0)
    children = np.bincount(order.parents[above], minlength=count)
    lengths = rows.ends - rows.starts
    inside = np.minimum(rows.ends[1:], rows.ends[:-1]) - rows.starts[1:]
    hands_on = np.append(
        (children[:-1] == 1)
        & (order.parents[:-1] >= 0)
        & (service[1:] == service[:-1])
        & (inside >= CHAIN_COVERED * lengths[:-1])
        & (rows.self_ns[:-1] <= CHAIN_SELF * length_ns)
        & ~rows.failed[:-1]
        & (member[:-1] < 0),
        False,
    )
    edges = np.flatnonzero(np.diff(np.concatenate(([False], hands_on, [False])).astype(np.int8)))
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if end - begin >= FEWEST_LINKS:
            member[begin:end] = len(groups)
            groups.append(_group(order, rows, GroupKind.CHAIN, range(begin, end)))
