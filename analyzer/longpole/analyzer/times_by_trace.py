"""Path time of many traces, each trace apart: what tails and variances are made of."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longpole.analyzer.explain import Explanation
from longpole.analyzer.path_aggregate import Group, PathAggregate
from longpole.analyzer.path_groups import regrouping, stored_columns
from longpole.model.ids import join_trace_id
from longpole.storage.ports import PathTimes

Ints = npt.NDArray[np.int64]
# Codes of groups are numbered anew beyond this, before they leave 64 bits.
MOST_CODES = 1 << 40


@dataclass(slots=True)
class Cells:
    """The path time that one group holds: `critical_ns[i]` nanoseconds in the trace at
    `places[i]`. A trace may come several times; its times then add up."""

    places: array[int] = field(default_factory=lambda: array("q"))
    critical_ns: array[int] = field(default_factory=lambda: array("q"))
    segment_count: int = 0

    @property
    def trace_count(self) -> int:
        """How many traces hold any."""
        if not self.places:
            return 0
        places = np.frombuffer(self.places, np.int64)
        is_held = np.zeros(int(places.max()) + 1, np.bool_)
        is_held[places] = True
        return int(is_held.sum())


@dataclass(slots=True)
class TimesByTrace:
    """Path time by trace and group.

    Traces are known by their place in `trace_ids`, `durations_ns` and `roots` (service and
    operation of the root). The cells of a trace add up to its duration, so whatever is worked
    out of cells adds up too. Merging is associative, and commutative apart from places, as long
    as no trace is in both parts.
    """

    group_by: tuple[str, ...]
    trace_ids: list[int] = field(default_factory=list)
    durations_ns: list[int] = field(default_factory=list)
    roots: list[tuple[str, str]] = field(default_factory=list)
    groups: dict[Group, Cells] = field(default_factory=dict)
    _regrouped: Callable[[Group], Group] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._regrouped = regrouping(self.group_by)

    def add(self, explanation: Explanation) -> None:
        """Add the primary path of one trace."""
        if explanation.root < 0:
            return
        alone = PathAggregate(stored_columns(self.group_by))
        alone.add(explanation)
        place = len(self.trace_ids)
        self.trace_ids.append(explanation.trace_id)
        self.durations_ns.append(explanation.duration_ns)
        spans, root = explanation.spans, explanation.root
        self.roots.append((spans.services[root], spans.names[root]))
        for group, total in alone.groups.items():
            cells = self.groups.setdefault(self._regrouped(group), Cells())
            cells.places.append(place)
            cells.critical_ns.append(total.critical_ns)
            cells.segment_count += total.segment_count

    def add_stored(self, times: PathTimes) -> None:
        """Add what storage gave for `stored_columns(group_by)`."""
        begin = len(self.trace_ids)
        traces = times.traces
        columns = (traces.column(name).to_pylist() for name in ("trace_hi", "trace_lo"))
        self.trace_ids += [join_trace_id(hi, lo) for hi, lo in zip(*columns, strict=True)]
        self.durations_ns += traces.column("duration_ns").to_pylist()
        roots = (traces.column(name).to_pylist() for name in ("root_service", "root_operation"))
        self.roots += zip(*roots, strict=True)
        cells = times.cells
        if not cells.num_rows:
            return
        places = cells.column("place").to_numpy() + begin
        critical_ns = cells.column("critical_ns").to_numpy()
        segment_counts = cells.column("segment_count").to_numpy()
        for group, rows in _rows_by_group(cells, stored_columns(self.group_by)):
            known = self.groups.setdefault(self._regrouped(group), Cells())
            known.places.frombytes(places[rows].astype(np.int64).tobytes())
            known.critical_ns.frombytes(critical_ns[rows].astype(np.int64).tobytes())
            known.segment_count += int(segment_counts[rows].sum())

    def merge(self, other: TimesByTrace) -> None:
        """Add everything of another one with the same grouping."""
        if other.group_by != self.group_by:
            raise ValueError("times with different groupings cannot be merged")
        begin = len(self.trace_ids)
        self.trace_ids += other.trace_ids
        self.durations_ns += other.durations_ns
        self.roots += other.roots
        for group, more in other.groups.items():
            cells = self.groups.setdefault(group, Cells())
            cells.places.extend(place + begin for place in more.places)
            cells.critical_ns.extend(more.critical_ns)
            cells.segment_count += more.segment_count


def _rows_by_group(cells: pa.Table, columns: Iterable[str]) -> Iterator[tuple[Group, Ints]]:
    """Each group that occurs, with the numbers of its rows."""
    codes = np.zeros(cells.num_rows, np.int64)
    code_count = 1
    values: list[tuple[list[str | int | None], Ints]] = []
    for name in columns:
        encoded = pa.concat_arrays(cells.column(name).chunks).dictionary_encode()
        known: list[str | int | None] = [*encoded.dictionary.to_pylist(), None]
        own = encoded.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)
        own = own.astype(np.int64)
        if code_count * len(known) > MOST_CODES:
            found, codes = np.unique(codes, return_inverse=True)
            code_count = len(found)
        codes = codes * len(known) + own
        code_count *= len(known)
        values.append((known, own))
    if code_count <= 1 << 16:
        codes = codes.astype(np.uint16)  # which NumPy sorts several times as fast
    order = np.argsort(codes, kind="stable")
    bounds = np.flatnonzero(np.diff(codes[order])) + 1
    for rows in np.split(order, bounds):
        yield tuple(known[own[rows[0]]] for known, own in values), rows
