"""The figures of nodes and edges: calls, errors, durations, and time on the critical path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longpole.analyzer.findings.window.span_columns import NO_ROW, SpanColumns
from longpole.analyzer.service_map.reached import Reached

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_ERROR = 2


@dataclass(frozen=True, slots=True)
class Figures:
    """Of things numbered through, one entry each: how many calls, how many of them failed, the
    nearest-rank percentiles of their durations, and the places (in what was counted) of the
    slowest, of one in the middle, and of the slowest that failed (-1: none did)."""

    calls: Ints
    errors: Ints
    p50_ns: Ints
    p95_ns: Ints
    slowest: Ints
    typical: Ints
    failed: Ints


def figures(keys: Ints, durations: Ints, is_error: Bools, count: int) -> Figures:
    """Figures of `count` things; `keys` says which one each row belongs to."""
    order = np.lexsort((durations, keys))
    calls = np.bincount(keys, minlength=count).astype(np.int64)
    errors = np.bincount(keys[is_error], minlength=count).astype(np.int64)
    ends = np.cumsum(calls)
    begins = ends - calls

    def ranked(percent: int) -> Ints:
        """The place of the nearest-rank percentile of each, -1 where there is nothing."""
        if not len(order):
            return np.full(count, -1, np.int64)
        at = begins + np.maximum(0, -(-calls * percent // 100) - 1)
        return np.where(calls > 0, order[np.minimum(at, len(order) - 1)], -1)

    def duration(places: Ints) -> Ints:
        if not len(durations):
            return np.zeros(count, np.int64)
        return np.where(places >= 0, durations[places], 0)

    failed = np.full(count, -1, np.int64)
    failing = order[is_error[order]]
    failed[keys[failing]] = failing  # ascending, so that the slowest is written last
    typical = ranked(50)
    return Figures(
        calls, errors, duration(typical), duration(ranked(95)), ranked(100), typical, failed
    )


@dataclass(frozen=True, slots=True)
class PathShares:
    """Nanoseconds on the critical path. `of_nodes`: in each node itself, where the time of a
    span that waits for a peer is the peer's; together they are `total`. `of_roots`: in the traces
    that begin there. `of_calls`: in what each call reached, whatever that called in turn
    included. `of_callees`: in what each call reached alone."""

    of_nodes: Ints
    of_roots: Ints
    of_calls: Ints
    of_callees: Ints
    total: int


def path_shares(spans: SpanColumns, found: Reached, critical_ns: Ints) -> PathShares:
    """Shares over all traces; `critical_ns` is the own time on the path of every span."""
    calls = found.calls
    of_nodes = np.zeros(len(found.nodes.numbers), np.int64)
    leaves = calls.rows[calls.is_leaf]
    own = critical_ns.copy()
    own[leaves] = 0
    np.add.at(of_nodes, found.service, own)
    np.add.at(of_nodes, calls.target[calls.is_leaf], critical_ns[leaves])
    of_calls = np.zeros(len(calls.rows), np.int64)
    of_calls[calls.is_leaf] = critical_ns[leaves]
    enters = calls.entry != NO_ROW
    alone = np.zeros(len(spans), np.int64)
    np.add.at(alone, found.boundary, own)
    of_callees = of_calls.copy()
    of_callees[enters] = alone[calls.entry[enters]]
    below = _below(found.boundary, spans.parents, critical_ns)
    of_calls[enters] = below[calls.entry[enters]]
    roots = np.flatnonzero(spans.parents == NO_ROW)
    of_roots = np.zeros(len(of_nodes), np.int64)
    np.add.at(of_roots, found.service[roots], below[roots])
    return PathShares(of_nodes, of_roots, of_calls, of_callees, int(critical_ns.sum()))


def _below(boundary: Ints, parents: Ints, critical_ns: Ints) -> Ints:
    """The time on the path below each entry of a service, that of the services it calls in turn
    included: added up from the last level to the first."""
    total = np.zeros(len(boundary), np.int64)
    np.add.at(total, boundary, critical_ns)
    entries = np.flatnonzero(boundary == np.arange(len(boundary)))
    above = parents[entries]
    over = np.where(above == NO_ROW, NO_ROW, boundary[above])
    order = np.argsort(over, kind="stable")
    entries, over = entries[order], over[order]
    levels = [(entries[over == NO_ROW], over[over == NO_ROW])]
    while len(levels[-1][0]):
        higher = levels[-1][0]
        begins = np.searchsorted(over, higher, side="left")
        sizes = np.searchsorted(over, higher, side="right") - begins
        offsets = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        places = np.repeat(begins, sizes) + offsets
        levels.append((entries[places], over[places]))
    for rows, higher in reversed(levels[1:]):
        np.add.at(total, higher, total[rows])
    return total


def entry_figures(spans: SpanColumns, found: Reached) -> Figures:
    """Of every node the figures of the spans by which it was entered; none for peers."""
    rows = np.flatnonzero(found.boundary == np.arange(len(spans)))
    keys = found.service[rows]
    is_error = spans.status[rows] == _ERROR
    return figures(keys, spans.durations[rows], is_error, len(found.nodes.numbers))
