"""Timelines: the primary trees of many traces as columns that can be timed again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from longpole.analyzer.columnar.retiming import LONGEST_NS
from longpole.analyzer.critical_path import PathOptions, Windows, windows
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.repair import repair
from longpole.analyzer.tree import SpanTree, build_tree
from longpole.analyzer.what_if.loops import Loops

Ints: TypeAlias = npt.NDArray[np.int64]
Operation: TypeAlias = tuple[str, str]  # service, span name


@dataclass(frozen=True, slots=True)
class Timelines:
    """Only spans that the primary root waited for, directly or through others, are in here.

    Per trace: `trace_ids`, `offsets` (its spans; the first is its root), `incomplete` and `late`
    as in `Coverage`. Per span: `spans` (its index in the repaired trace), `span_ids`, `parents`
    (-1 for a root), its window from `low` to `high`, and `operations`, a place in
    `operation_names`. `first`, `by_start`, `by_end`, `absorb`, `gap`, `tail` are those of
    `retiming`; `own` and `is_on_path` those of `retiming.chains`; `place_of` leads from a span to
    its place in `by_start`. `left_out` counts traces too long for anybody to mean it.
    """

    trace_ids: list[int]
    offsets: Ints
    incomplete: int
    late: int
    left_out: int
    spans: Ints
    span_ids: npt.NDArray[np.uint64]
    parents: Ints
    low: Ints
    high: Ints
    operations: Ints
    operation_names: list[Operation]
    first: Ints
    by_start: Ints
    by_end: Ints
    absorb: Ints
    gap: Ints
    tail: Ints
    place_of: Ints
    own: Ints
    is_on_path: Ints

    @property
    def base(self) -> Ints:
        """How long each span took within its window."""
        return self.high - self.low

    @property
    def traces(self) -> Ints:
        """Which trace each span belongs to."""
        return np.repeat(np.arange(len(self.trace_ids)), np.diff(self.offsets))

    @property
    def root_lengths(self) -> Ints:
        """How long each trace took: the duration of its primary root."""
        return self.base[self.offsets[:-1]]

    @property
    def root_operations(self) -> Ints:
        """The operation of each trace's root."""
        return self.operations[self.offsets[:-1]]


class TimelineBuilder:
    """Collects traces one by one; `done` gives the columns."""

    def __init__(self, options: PathOptions | None = None) -> None:
        self._options = options or PathOptions()
        self._codes: dict[Operation, int] = {}
        self._trace_ids: list[int] = []
        self._offsets = [0]
        self._columns: tuple[list[int], ...] = ([], [], [], [], [], [])
        self._incomplete = self._late = self._left_out = 0

    def add(self, sent: PathSpans) -> None:
        """Add a trace as it was read; one without spans counts for nothing."""
        spans, _ = repair(sent)
        tree = build_tree(spans)
        self.add_windows(spans, tree, windows(spans, tree, self._options))

    def add_windows(self, spans: PathSpans, tree: SpanTree, found: Windows) -> None:
        """Add a trace whose windows are known."""
        root = tree.primary
        if root < 0:
            return
        if found.ends[root] - found.starts[root] > LONGEST_NS:
            self._left_out += 1
            return
        at = self._offsets[-1]
        order, parents = [root], [-1]
        for place, index in enumerate(order):  # grows while it is walked: no recursion
            children = found.blocking[index]
            if children:
                order.extend(children)
                parents.extend([at + place] * len(children))
        codes, services, names = self._codes, spans.services, spans.names
        indices, ids, above, low, high, operations = self._columns
        indices.extend(order)
        above.extend(parents)
        for index in order:
            ids.append(spans.span_ids[index])
            low.append(found.starts[index])
            high.append(found.ends[index])
            operations.append(codes.setdefault((services[index], names[index]), len(codes)))
        self._offsets.append(at + len(order))
        self._trace_ids.append(spans.trace_id)
        self._incomplete += bool(tree.orphans or tree.is_headless)
        self._late += spans.late > 0

    def done(self, loops: Loops) -> Timelines:
        """The columns of all traces added so far; `loops` work out the gaps."""
        indices, ids, above, low_list, high_list, operations = self._columns
        parents = np.array(above, np.int64)
        low, high = np.array(low_list, np.int64), np.array(high_list, np.int64)
        children = np.flatnonzero(parents >= 0)
        owners = parents[children]
        starts, ends = low[children], high[children]
        by_start = children[np.lexsort((children, ends, starts, owners))]
        by_end = children[np.lexsort((children, starts, ends, owners))]
        counts = np.bincount(owners, minlength=low.size) if low.size else np.zeros(0, np.int64)
        first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        absorb, gap, tail = loops.arrange(first, by_start, by_end, low, high)
        place_of, own, is_on_path = loops.chains(
            first, by_start, by_end, absorb, gap, tail, low, high, parents < 0
        )
        return Timelines(
            self._trace_ids,
            np.array(self._offsets, np.int64),
            self._incomplete,
            self._late,
            self._left_out,
            np.array(indices, np.int64),
            np.array(ids, np.uint64),
            parents,
            low,
            high,
            np.array(operations, np.int64),
            list(self._codes),
            first,
            by_start,
            by_end,
            absorb,
            gap,
            tail,
            place_of,
            own,
            is_on_path,
        )


def timelines(
    traces: Iterable[PathSpans], loops: Loops, options: PathOptions | None = None
) -> Timelines:
    """The timelines of traces as they were read."""
    builder = TimelineBuilder(options)
    for spans in traces:
        builder.add(spans)
    return builder.done(loops)
