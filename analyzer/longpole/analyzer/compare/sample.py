"""One side of a comparison as columns: its traces, and what each operation did in each of them.

A *cell* is one (service, operation) in one trace. It has the number of all its spans there, on
the path or not, and for each `Part` two times:

    path   what it holds of the critical path; over all cells of a trace this is the duration
    own    what it worked in all, on the path or beside it, so never less than `path`

    part      path                                     own
    CALL      `self` of spans without children,        durations of such spans
              `net_wait`
    BETWEEN   `self`, `self_overlapped` of the others  time in which none of their children ran
    NETWORK   `net_request`, `net_response`            the same of calls to another service
    BACKOFF   `backoff`                                as path
    QUEUE     `queue`, and any other label             as path
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Operation: TypeAlias = tuple[str, str]  # service, name of the span


class Part(IntEnum):
    """What the time of an operation was; the columns of `Sample.path` and `Sample.own`."""

    CALL = 0
    BETWEEN = 1
    NETWORK = 2
    BACKOFF = 3
    QUEUE = 4


PARTS = len(Part)


@dataclass(slots=True)
class Cell:
    """An operation in one trace; `path` and `own` in nanoseconds by `Part`. `took` is the sum of
    the durations of its spans, what they waited for included."""

    calls: int = 0
    took: int = 0
    path: list[int] = field(default_factory=lambda: [0] * PARTS)
    own: list[int] = field(default_factory=lambda: [0] * PARTS)


@dataclass(frozen=True, slots=True)
class TraceCells:
    """A trace as a comparison sees it. The `path` times of `cells` add up to `duration_ns`."""

    trace_id: int
    root: Operation
    start_unix_nano: int
    duration_ns: int
    is_error: bool
    cells: Mapping[Operation, Cell]


@dataclass(slots=True)
class Names:
    """Numbers for operations, shared by both sides so that they mean the same."""

    operations: list[Operation] = field(default_factory=list)
    _places: dict[Operation, int] = field(default_factory=dict)

    def place(self, operation: Operation) -> int:
        """The number of an operation; a new one gets the next."""
        place = self._places.get(operation)
        if place is None:
            place = self._places[operation] = len(self.operations)
            self.operations.append(operation)
        return place


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One side. Arrays of the first group have a row a trace, those of the second a row a cell
    (`trace` is the place of its trace, ascending); `path` and `own` have a column a `Part`."""

    trace_ids: tuple[int, ...]
    root: Ints
    start_unix_nano: Ints
    duration_ns: Ints
    is_error: npt.NDArray[np.bool_]
    trace: Ints
    operation: Ints
    calls: Ints
    took: Ints
    path: Ints
    own: Ints

    def __len__(self) -> int:
        return len(self.trace_ids)

    def chosen(self, places: Ints) -> Sample:
        """The traces at these places, in this order; one may be chosen several times."""
        first = np.searchsorted(self.trace, places)
        count = np.searchsorted(self.trace, places, side="right") - first
        ends = np.cumsum(count)
        total = int(ends[-1]) if ends.size else 0
        rows = np.arange(total) - np.repeat(ends - count, count) + np.repeat(first, count)
        return Sample(
            trace_ids=tuple(self.trace_ids[place] for place in places.tolist()),
            root=self.root[places],
            start_unix_nano=self.start_unix_nano[places],
            duration_ns=self.duration_ns[places],
            is_error=self.is_error[places],
            trace=np.repeat(np.arange(places.size), count),
            operation=self.operation[rows],
            calls=self.calls[rows],
            took=self.took[rows],
            path=self.path[rows],
            own=self.own[rows],
        )

    def path_of(self, operation: int) -> npt.NDArray[np.float64]:
        """Path time of an operation in every trace, 0 where it has none."""
        times = np.zeros(len(self))
        is_it = self.operation == operation
        times[self.trace[is_it]] = self.path[is_it].sum(axis=1, dtype=np.float64)
        return times


def sample_of(traces: Sequence[TraceCells], names: Names) -> Sample:
    """These traces as columns. Times beyond 64 bits are an error of the caller."""
    cells = [
        (place, names.place(operation), cell)
        for place, one in enumerate(traces)
        for operation, cell in one.cells.items()
    ]
    shape = (len(cells), PARTS)
    return Sample(
        trace_ids=tuple(one.trace_id for one in traces),
        root=np.array([names.place(one.root) for one in traces], np.int64),
        start_unix_nano=np.array([one.start_unix_nano for one in traces], np.int64),
        duration_ns=np.array([one.duration_ns for one in traces], np.int64),
        is_error=np.array([one.is_error for one in traces], np.bool_),
        trace=np.array([place for place, _, _ in cells], np.int64),
        operation=np.array([operation for _, operation, _ in cells], np.int64),
        calls=np.array([cell.calls for _, _, cell in cells], np.int64),
        took=np.array([cell.took for _, _, cell in cells], np.int64),
        path=np.array([cell.path for _, _, cell in cells], np.int64).reshape(shape),
        own=np.array([cell.own for _, _, cell in cells], np.int64).reshape(shape),
    )
