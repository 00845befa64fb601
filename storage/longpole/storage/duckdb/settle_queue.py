"""The settle queue: which traces hold spans that no derived row accounts for, oldest first.

Quiet is counted by arrival on the monotonic clock. Everything here is O(1) a trace and a
batch, since it runs while acknowledgements wait; the owner's lock guards every call.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longpole.model.ids import join_trace_id
from longpole.storage.duckdb.pending_ids import PackedIds, PendingIds


@dataclass(slots=True)
class Pending:
    """One trace with unexplained spans.

    `first_row_id` is the first unexplained row and `first_ns` its arrival. After a hand-out,
    `after_*` are the first row that arrived later, for when an answer accounts for the rest.
    """

    first_ns: int
    last_ns: int
    first_row_id: int
    last_row_id: int
    is_handed_out: bool = False
    handed_revision: int = 0
    after_ns: int = 0
    after_row_id: int = 0


class SettleQueue:
    """Pending traces by the time of their first unexplained and of their last arrival."""

    def __init__(self, settle_after_ns: int, settle_at_most_ns: int) -> None:
        self._after_ns = settle_after_ns
        self._at_most_ns = settle_at_most_ns
        # Both hold the same entries: a dict keeps the order in which keys were (re)inserted.
        self._by_last: OrderedDict[int, Pending] = OrderedDict()
        self._by_first: OrderedDict[int, Pending] = OrderedDict()
        self._packed = PackedIds()

    def __len__(self) -> int:
        return len(self._by_last)

    def __contains__(self, trace_id: int) -> bool:
        return trace_id in self._by_last

    def get(self, trace_id: int) -> Pending | None:
        """The entry of a pending trace."""
        return self._by_last.get(trace_id)

    def trace_ids(self) -> PendingIds:
        """All pending traces."""
        return self._packed.taken()

    def arrived(
        self,
        hi: npt.NDArray[np.uint64],
        lo: npt.NDArray[np.uint64],
        row_ids: npt.NDArray[np.uint64],
        monotonic_ns: int,
    ) -> None:
        """Spans came in; row ids ascend within the batch."""
        for trace_id, first, last in rows_by_trace(hi, lo, row_ids):
            self.note(trace_id, first, last, monotonic_ns)

    def note(self, trace_id: int, first_row_id: int, last_row_id: int, monotonic_ns: int) -> None:
        """Rows of one trace came in."""
        entry = self._by_last.get(trace_id)
        if entry is None:
            entry = Pending(monotonic_ns, monotonic_ns, first_row_id, last_row_id)
            self._by_last[trace_id] = self._by_first[trace_id] = entry
            self._packed.add(trace_id)
            return
        entry.last_ns = monotonic_ns
        entry.first_row_id = min(entry.first_row_id, first_row_id)
        entry.last_row_id = max(entry.last_row_id, last_row_id)
        if entry.is_handed_out and not entry.after_row_id:
            entry.after_ns, entry.after_row_id = monotonic_ns, first_row_id
        self._by_last.move_to_end(trace_id)

    def quiet(self, limit: int, monotonic_ns: int) -> list[int]:
        """Up to `limit` traces that are due, the longest waiting first."""
        due: dict[int, int] = {}
        for trace_id, entry in self._by_first.items():
            if len(due) >= limit or monotonic_ns - entry.first_ns < self._at_most_ns:
                break
            due[trace_id] = entry.first_ns
        for trace_id, entry in self._by_last.items():
            if len(due) >= limit or monotonic_ns - entry.last_ns < self._after_ns:
                break
            due[trace_id] = entry.first_ns
        return sorted(due, key=due.__getitem__)

    def handed_out(self, trace_id: int) -> None:
        """The spans that are there now are given out for analysis."""
        entry = self._by_last.get(trace_id)
        if entry is not None:
            entry.is_handed_out = True
            entry.handed_revision = entry.after_ns = entry.after_row_id = 0

    def name_revision(self, trace_id: int, revision: int) -> None:
        """The answer to the hand-out will be that revision."""
        entry = self._by_last.get(trace_id)
        if entry is not None:
            entry.handed_revision = revision

    def settled(self, trace_id: int, through_row_id: int) -> None:
        """Derived rows account for the rows up to this one; later ones keep it pending."""
        entry = self._by_last.get(trace_id)
        if entry is None:
            return
        if entry.last_row_id <= through_row_id:
            self.forget(trace_id)
            return
        is_known = entry.after_row_id > through_row_id
        entry.first_row_id = entry.after_row_id if is_known else through_row_id + 1
        entry.first_ns = entry.after_ns if is_known else entry.last_ns
        entry.is_handed_out = False
        entry.handed_revision = entry.after_ns = entry.after_row_id = 0
        self._place_by_first(trace_id, entry)

    def forget(self, trace_id: int) -> None:
        """The trace is not pending: explained, or its spans are gone."""
        self._by_last.pop(trace_id, None)
        self._by_first.pop(trace_id, None)
        self._packed.discard(trace_id)

    def first_unexplained_row(self) -> int | None:
        """The lowest row id that no derived row accounts for."""
        return min((entry.first_row_id for entry in self._by_last.values()), default=None)

    def _place_by_first(self, trace_id: int, entry: Pending) -> None:
        """Late rows wait from their own arrival on: later than most, so search from the end."""
        self._by_first.pop(trace_id, None)
        younger: list[int] = []
        for other, held in reversed(self._by_first.items()):
            if held.first_ns <= entry.first_ns:
                break
            younger.append(other)
        self._by_first[trace_id] = entry
        for other in reversed(younger):
            self._by_first.move_to_end(other)


def rows_by_trace(
    hi: npt.NDArray[np.uint64], lo: npt.NDArray[np.uint64], row_ids: npt.NDArray[np.uint64]
) -> Iterator[tuple[int, int, int]]:
    """(trace id, lowest row id, highest row id) of each trace in a batch."""
    if not hi.size:
        return
    order = np.lexsort((row_ids, lo, hi))
    hi, lo, row_ids = hi[order], lo[order], row_ids[order]
    is_first = np.ones(hi.size, dtype=np.bool_)
    is_first[1:] = (hi[1:] != hi[:-1]) | (lo[1:] != lo[:-1])
    starts = np.flatnonzero(is_first)
    ends = np.append(starts[1:], hi.size) - 1
    columns = (hi[starts], lo[starts], row_ids[starts], row_ids[ends])
    for high, low, first, last in zip(*(column.tolist() for column in columns), strict=True):
        yield join_trace_id(high, low), first, last
