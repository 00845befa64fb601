"""Totals: path time of a batch by group, as `PathAggregate` adds it up trace by trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from longpole.analyzer.columnar.labelling import LABELS
from longpole.analyzer.columnar.paths import BatchPaths
from longpole.analyzer.path_aggregate import GroupTotal, PathAggregate

Ints = npt.NDArray[np.int64]
# The code of every segment, and what the codes stand for (-1: nothing).
Coded = tuple[Ints, Sequence[str] | Sequence[int]]


def path_totals(paths: BatchPaths, group_by: Sequence[str]) -> PathAggregate:
    """Path time of every trace of the batch but the odd ones, and their root durations.

    Sums are exact however long the traces are. Raises ValueError for an unknown column.
    """
    aggregate = PathAggregate(tuple(group_by))
    batch, segments = paths.batch, paths.segments
    roots = paths.forest.primary[paths.forest.primary >= 0]
    aggregate.root_durations_ns.extend((batch.ends[roots] - batch.starts[roots]).tolist())
    count = segments.owners.size
    if not count:
        return aggregate
    traces = np.repeat(np.arange(segments.offsets.size - 1), np.diff(segments.offsets))
    coded = coded_columns(paths, traces, aggregate.group_by)
    numbers = np.zeros(count, np.int64)
    for codes, texts in coded:
        # Numbered anew after each column, so that the product never leaves 64 bits.
        mixed = numbers * (len(texts) + 1) + codes + 1
        numbers = np.unique(mixed, return_inverse=True)[1].astype(np.int64)
    order = np.argsort(numbers, kind="stable")  # within a group by trace, as before
    of_group, of_trace = numbers[order], traces[order]
    is_first = np.append(True, of_group[1:] != of_group[:-1])
    begins = np.flatnonzero(is_first)
    is_new_trace = is_first | np.append(True, of_trace[1:] != of_trace[:-1])
    lengths = (segments.ends - segments.starts)[order]
    # Two halves, since the sum of many 64-bit numbers may need more.
    high = np.add.reduceat(lengths >> 32, begins).tolist()
    low = np.add.reduceat(lengths & 0xFFFFFFFF, begins).tolist()
    segment_counts = np.diff(np.append(begins, count)).tolist()
    trace_counts = np.add.reduceat(is_new_trace.astype(np.int64), begins).tolist()
    for place, one in enumerate(order[begins].tolist()):
        group = tuple(
            texts[codes[one]] if codes[one] >= 0 else None for codes, texts in coded
        )  # fmt: skip
        aggregate.groups[group] = GroupTotal(
            (high[place] << 32) + low[place], segment_counts[place], trace_counts[place]
        )
    return aggregate


def coded_columns(paths: BatchPaths, traces: Ints, names: Sequence[str]) -> list[Coded]:
    """The values of `PATH_GROUP_COLUMNS` for every segment; `traces` are places in the batch."""
    return [_COLUMN[name](paths, traces) for name in names]


def _peers(paths: BatchPaths, traces: Ints) -> Coded:
    # A service and a peer that attributes name may have the same name.
    names = [*paths.batch.service_names, *paths.batch.peer_names]
    number: dict[str, int] = {}
    same = [number.setdefault(name, len(number)) for name in names]
    codes = np.array([*same, -1], np.int64)[paths.segments.peers]
    return codes, list(number)


def _labels(paths: BatchPaths, traces: Ints) -> Coded:
    return paths.segments.labels.astype(np.int64), [str(label) for label in LABELS]


def _services(paths: BatchPaths, traces: Ints) -> Coded:
    return _codes(paths.batch.services, paths.segments.owners), paths.batch.service_names


def _operations(paths: BatchPaths, traces: Ints) -> Coded:
    return _codes(paths.batch.names, paths.segments.owners), paths.batch.span_names


def _root_services(paths: BatchPaths, traces: Ints) -> Coded:
    return _codes(paths.batch.services, paths.forest.primary[traces]), paths.batch.service_names


def _root_operations(paths: BatchPaths, traces: Ints) -> Coded:
    return _codes(paths.batch.names, paths.forest.primary[traces]), paths.batch.span_names


def _call_path_ids(paths: BatchPaths, traces: Ints) -> Coded:
    ids = paths.chains[paths.walks.node[paths.segments.owners]]
    known, codes = np.unique(ids, return_inverse=True)
    return codes.astype(np.int64), known.tolist()


def _codes(codes: npt.NDArray[np.int32], spans: Ints) -> Ints:
    return codes[spans].astype(np.int64)


_COLUMN: dict[str, Callable[[BatchPaths, Ints], Coded]] = {
    "service": _services,
    "operation": _operations,
    "label": _labels,
    "peer_service": _peers,
    "root_service": _root_services,
    "root_operation": _root_operations,
    "call_path_id": _call_path_ids,
}
