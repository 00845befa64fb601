"""The columns of a trace: one array for each thing that is known of every span, by row.

    Explanation ─▶ Axis, Preorder ─▶ arrays, groups, gaps, first view ─▶ TraceColumns

Times are worked out in nanoseconds; ticks of the axis are only for drawing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from longpole.analyzer.correlation.dark_time import gaps_of
from longpole.analyzer.explain import Explanation
from longpole.analyzer.labels import Label
from longpole.analyzer.reports.trace_columns.axis import Axis
from longpole.analyzer.reports.trace_columns.first_view import opened
from longpole.analyzer.reports.trace_columns.groups import Group, Rows, groups_of
from longpole.analyzer.reports.trace_columns.marks import EXCEPTION, Marks
from longpole.analyzer.reports.trace_columns.preorder import Preorder, preorder
from longpole.analyzer.reports.trace_columns.self_time import self_times
from longpole.analyzer.same_ids import Namesake, meant_of
from longpole.analyzer.tree import RootKind
from longpole.analyzer.verdict import VerdictEntry
from longpole.model.finding import Finding
from longpole.model.span import StatusCode

Ints: TypeAlias = npt.NDArray[np.int64]
Array: TypeAlias = npt.NDArray[Any]

LABELS = tuple(str(label) for label in Label)
KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
(ERROR, ON_PATH, ORPHAN, HAS_EVENTS, HAS_LINKS, HAS_LOGS, ASYNC, SHIFTED, HAS_EXCEPTION) = (
    1 << bit for bit in range(3, 12)
)
DEEPEST = (1 << 16) - 1
# The arrays that do not follow from exact times and the tree, in their order.
UNTIMED = (
    "op", "flags", "group", "seg_row", "seg_label", "mark_row", "mark_time", "mark_kind",
    "mark_severity", "link_row",
)  # fmt: skip
LEAST_GAP_NS, LEAST_GAP_SHARE, MOST_GAPS = 20_000_000, 0.03, 500
MOST_BOTTLENECKS = 50
TOP_ENTRIES = 3  # of the verdict whose rows are open at first


@dataclass(frozen=True, slots=True)
class GapRow:
    """A stretch of the path without any span, half-open, in nanoseconds from the start of the
    axis, below the row `parent`; `where` says between what."""

    parent: int
    start_ns: int
    end_ns: int
    where: str
    is_network: bool


@dataclass(frozen=True, slots=True)
class BottleneckRow:
    """A row that the verdict or a finding names; `ns` is its part of the path, or the saving."""

    row: int
    ns: int
    share: float
    reason: str


@dataclass(frozen=True, slots=True)
class TraceColumns:
    """A trace by row. `arrays` is what `docs/trace-columns.md` lists, in that order, times in
    ticks of `axis`; the `*_ns` columns have the exact nanoseconds, `starts_ns` from the start of
    the axis; `shifts_ns` is by how much a clock was put right. `operations` are (name, code of
    the service in `services`). `sources` leads to the rows that the spans came from. `bounds_ns`
    are the bounds of the segments, one more than there are."""

    trace_id: int
    axis: Axis
    order: Preorder
    root: int
    services: Sequence[str]
    operations: Sequence[tuple[str, int]]
    span_ids: npt.NDArray[np.uint64]
    starts_ns: Ints
    durations_ns: Ints
    self_ns: Ints
    critical_ns: Ints
    shifts_ns: Ints
    sources: Ints
    bounds_ns: Ints
    arrays: dict[str, Array]
    groups: Sequence[Group]
    gaps: Sequence[GapRow]
    opened: Sequence[int]
    bottlenecks: Sequence[BottleneckRow]
    root_start_ns: int
    root_end_ns: int

    def row_of(self, span_id: int) -> int:
        """The first row with that span id, -1 without any."""
        rows = self.rows_of(span_id)
        return rows[0] if rows else -1

    def rows_of(self, span_id: int) -> list[int]:
        """Every row with that span id, ascending: senders may give one id to several spans."""
        found: list[int] = np.flatnonzero(self.span_ids == np.uint64(span_id)).tolist()
        return found

    def place_of(self, row: int) -> tuple[str, str]:
        """Service and operation of a row."""
        name, service = self.operations[int(self.arrays["op"][row])]
        return self.services[service], name

    def meant_row(self, rows: Sequence[int], service: str, operation: str) -> int:
        """Of rows that share an id the one that is meant by who names also a service and an
        operation; -1 without any."""
        namesakes = (
            Namesake(
                row, *self.place_of(row), int(self.critical_ns[row]), int(self.durations_ns[row])
            )
            for row in rows
        )
        return meant_of(namesakes, service, operation)


def trace_columns(
    explanation: Explanation,
    verdict: Sequence[VerdictEntry],
    findings: Sequence[Finding],
    marks: Marks,
) -> TraceColumns:
    """The columns of one trace. Nothing is drawn to another scale or left out: every span of the
    explanation has a row."""
    e = explanation
    spans = e.spans
    root_start, root_end = e.start_unix_nano, e.start_unix_nano + e.duration_ns
    axis = Axis.of(spans.starts, spans.ends, (root_start, root_end))
    order = preorder(e)
    indices = order.indices
    starts, ends = axis.offsets(spans.starts)[indices], axis.offsets(spans.ends)[indices]
    own = self_times(starts, ends, order.parents)
    critical = _by_row(order, e.critical_ns)
    services, operations, codes = _operations(e, indices)
    names = [(services[service], name) for name, service in operations]
    failed = np.array(spans.status_codes, np.int64)[indices] == int(StatusCode.ERROR)
    groups, member = groups_of(
        spans, order, Rows(starts, ends, own, codes, names, failed), e.duration_ns
    )
    bounds_ns = _bounds(e, axis)
    shifts = _by_row(order, e.offsets_ns)
    arrays = drawn(
        axis, order, starts, ends - starts, own, critical, bounds_ns,
        {
            "op": codes.astype(np.uint32),
            "flags": _flags(e, order, failed, marks),
            "group": member,
            **_segments(e, order),
            **_marks(axis, order, marks, shifts),
            "link_row": np.sort(order.rows[marks.linked]).astype(np.uint32),
        },
    )  # fmt: skip
    named = _bottlenecks(e, order, verdict, findings)
    return TraceColumns(
        trace_id=e.trace_id,
        axis=axis,
        order=order,
        root=int(order.rows[e.root]) if e.root >= 0 else -1,
        services=services,
        operations=operations,
        span_ids=np.array(spans.span_ids, np.uint64)[indices],
        starts_ns=starts,
        durations_ns=ends - starts,
        self_ns=own,
        critical_ns=critical,
        shifts_ns=shifts,
        sources=np.array(spans.rows, np.int64)[indices],
        bounds_ns=bounds_ns,
        arrays=arrays,
        groups=groups,
        gaps=_gaps(e, axis, order),
        opened=opened(order, [b.row for b in named[:TOP_ENTRIES]], failed, critical, e.duration_ns)
        if len(spans)
        else [],
        bottlenecks=named,
        root_start_ns=int(axis.offsets([root_start])[0]),
        root_end_ns=int(axis.offsets([root_end])[0]),
    )


def drawn(
    axis: Axis,
    order: Preorder,
    starts: Ints,
    durations: Ints,
    own: Ints,
    critical: Ints,
    bounds_ns: Ints,
    others: Mapping[str, Array],
) -> dict[str, Array]:
    """All arrays of `docs/trace-columns.md` in their order; `others` are those that do not follow
    from exact times and the tree."""
    start_ticks = axis.ticks(starts)
    return {
        "start": start_ticks,
        "dur": axis.ticks(starts + durations) - start_ticks,
        "self": axis.ticks(own),
        "critical": axis.ticks(critical),
        "parent": order.parents.astype(np.int32),
        "op": others["op"],
        "depth": np.minimum(order.depths, DEEPEST).astype(np.uint16),
        "flags": others["flags"],
        "group": others["group"],
        "subtree": order.subtrees.astype(np.uint32),
        "seg_row": others["seg_row"],
        "seg_start": axis.ticks(bounds_ns[:-1]),
        "seg_end": axis.ticks(bounds_ns[1:]),
        **{name: others[name] for name in UNTIMED[UNTIMED.index("seg_label") :]},
    }


def _by_row(order: Preorder, values: Mapping[int, int]) -> Ints:
    result = np.zeros(order.rows.size, np.int64)
    if values:
        result[order.rows[np.fromiter(values, np.int64, len(values))]] = np.fromiter(
            (min(ns, (1 << 63) - 1) for ns in values.values()), np.int64, len(values)
        )
    return result


def _operations(e: Explanation, indices: Ints) -> tuple[list[str], list[tuple[str, int]], Ints]:
    """Services and operations in the order in which rows need them first, and codes by row."""
    services: dict[str, int] = {}
    operations: dict[tuple[str, int], int] = {}
    codes = np.empty(indices.size, np.int64)
    names, owners = e.spans.names, e.spans.services
    for row, index in enumerate(indices.tolist()):
        service = services.setdefault(owners[index], len(services))
        codes[row] = operations.setdefault((names[index], service), len(operations))
    return list(services), list(operations), codes


def _flags(
    e: Explanation, order: Preorder, failed: npt.NDArray[np.bool_], marks: Marks
) -> npt.NDArray[np.uint16]:
    kinds = np.array(e.spans.kinds, np.int64)[order.indices]
    flags = np.where((kinds >= 0) & (kinds < len(KINDS)), kinds, 0)
    flags[failed] |= ERROR
    flags[order.rows[np.array(e.path.visited, np.int64)]] |= ON_PATH
    orphans = [root for root, kind in e.tree.roots.items() if kind is RootKind.ORPHAN]
    flags[_below(order, orphans)] |= ORPHAN
    flags[_below(order, list(e.detached))] |= ASYNC
    flags[order.rows[marks.linked]] |= HAS_LINKS
    moved = [index for index, offset in e.offsets_ns.items() if offset]
    flags[order.rows[np.array(moved, np.int64)]] |= SHIFTED
    of_marks = order.rows[marks.spans]
    flags[of_marks] |= HAS_EVENTS
    flags[of_marks[marks.kinds == EXCEPTION]] |= HAS_EXCEPTION
    return flags.astype(np.uint16)


def _below(order: Preorder, roots: Sequence[int]) -> npt.NDArray[np.bool_]:
    """The rows of these spans and of all that hang on them."""
    rows = order.rows[np.array(roots, np.int64)]
    edges = np.zeros(order.rows.size + 1, np.int64)
    np.add.at(edges, rows, 1)
    np.add.at(edges, rows + order.subtrees[rows], -1)
    return np.cumsum(edges)[:-1] > 0


def _bounds(e: Explanation, axis: Axis) -> Ints:
    """Where the segments begin, and the end of the last one: they are contiguous."""
    return axis.offsets([*e.segments.starts, *e.segments.ends[-1:]])


def _segments(e: Explanation, order: Preorder) -> dict[str, Array]:
    code = {label: number for number, label in enumerate(Label)}
    segments = e.segments
    return {
        "seg_row": order.rows[np.array(segments.owners, np.int64)].astype(np.uint32),
        "seg_label": np.array([code[label] for label in segments.labels], np.uint8),
    }


def _marks(axis: Axis, order: Preorder, marks: Marks, shifts: Ints) -> dict[str, Array]:
    rows = order.rows[marks.spans]
    times = axis.offsets(marks.times + shifts[rows])
    sequence = np.lexsort((marks.kinds, times, rows))
    return {
        "mark_row": rows[sequence].astype(np.uint32),
        "mark_time": axis.ticks(times)[sequence],
        "mark_kind": marks.kinds[sequence].astype(np.uint8),
        "mark_severity": marks.severities[sequence].astype(np.uint8),
    }


def _gaps(e: Explanation, axis: Axis, order: Preorder) -> list[GapRow]:
    if e.root < 0:
        return []
    least = max(LEAST_GAP_NS, round(LEAST_GAP_SHARE * e.duration_ns))
    rows = []
    for gap in gaps_of(e, least)[:MOST_GAPS]:
        start, end = axis.offsets([gap.start_unix_nano, gap.end_unix_nano]).tolist()
        rows.append(GapRow(int(order.rows[gap.span]), start, end, gap.where, gap.is_network))
    return sorted(rows, key=lambda gap: (gap.parent, gap.start_ns))


def _bottlenecks(
    e: Explanation,
    order: Preorder,
    verdict: Sequence[VerdictEntry],
    findings: Sequence[Finding],
) -> list[BottleneckRow]:
    """The rows of the verdict, then those of the findings that are in none of its entries."""
    wanted = {entry.span_ids[0] for entry in verdict if entry.span_ids}
    wanted |= {finding.span_ids[0] for finding in findings if finding.span_ids}
    known: dict[int, list[Namesake]] = {}
    spans = e.spans
    for index, span_id in enumerate(spans.span_ids):
        if span_id in wanted:
            known.setdefault(span_id, []).append(
                Namesake(
                    int(order.rows[index]), spans.services[index], spans.names[index],
                    e.critical_ns.get(index, 0), spans.ends[index] - spans.starts[index],
                )
            )  # fmt: skip

    def row_of(one: VerdictEntry | Finding) -> int:
        namesakes = known.get(one.span_ids[0], ()) if one.span_ids else ()
        return meant_of(namesakes, one.service, one.operation)

    found: dict[int, BottleneckRow] = {}
    for entry in verdict:
        row = row_of(entry)
        if row >= 0 and row not in found:
            found[row] = BottleneckRow(row, entry.critical_ns, entry.share, entry.summary)
    for finding in findings:
        row = row_of(finding)
        if row >= 0 and row not in found and len(found) < MOST_BOTTLENECKS:
            share = finding.saving_ns / e.duration_ns if e.duration_ns else 0.0
            found[row] = BottleneckRow(row, finding.saving_ns, round(share, 6), finding.reason)
    return list(found.values())
