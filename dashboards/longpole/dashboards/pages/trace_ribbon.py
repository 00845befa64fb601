"""The time ribbon of a trace's page: who was on the critical path when, each piece a link.

|web|auth|          cart           |pay|web|      width = the whole root interval
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from longpole.analyzer.reports.trace_columns.columns import LABELS, TraceColumns
from longpole.dashboards.ribbon_words import RibbonWords, ribbon_words
from longpole.model.ids import span_id_hex

Ints = npt.NDArray[np.int64]

MOST_PIECES = 150
LEAST_WORDED = 0.04  # of the whole: narrower pieces are hard to hit


@dataclass(frozen=True, slots=True)
class RibbonPiece:
    """A run of path segments of one service. `x` and `width` are percentages; `row` and `span_id`
    are its longest part (`is_shared`: other spans have that id, too), `begin_ns` and `end_ns` its
    time from the start of the axis."""

    service: str
    operation: str
    label: str
    row: int
    span_id: str
    x: float
    width: float
    begin_ns: int
    end_ns: int
    share: float
    is_shared: bool = False

    @property
    def duration_ns(self) -> int:
        """How long it is."""
        return self.end_ns - self.begin_ns

    @property
    def has_room(self) -> bool:
        """Whether it is wide enough to be told apart."""
        return self.share >= LEAST_WORDED

    @property
    def words(self) -> RibbonWords:
        """What is written into it."""
        return ribbon_words(self.service, self.share)


def trace_ribbon(columns: TraceColumns) -> list[RibbonPiece]:
    """Pieces from left to right, without holes, at most `MOST_PIECES`; none for a trace without
    duration. Of very many runs each piece stands for the service that held most of it."""
    bounds = columns.bounds_ns
    if bounds.size < 2 or bounds[-1] <= bounds[0]:
        return []
    begin, total = int(bounds[0]), int(bounds[-1] - bounds[0])
    rows = columns.arrays["seg_row"].astype(np.int64)
    service_of = np.array([service for _, service in columns.operations], np.int64)
    services = service_of[columns.arrays["op"][rows]]
    starts = np.flatnonzero(np.append(True, services[1:] != services[:-1]))
    if starts.size > MOST_PIECES:
        return _told_apart(columns, _sampled(columns, rows, services, begin, total))
    ends = np.append(starts[1:], services.size)
    pieces = [
        _piece(columns, rows, (first, last), (int(bounds[first]), int(bounds[last])), begin, total)
        for first, last in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
    return _told_apart(columns, pieces)


def _told_apart(columns: TraceColumns, pieces: list[RibbonPiece]) -> list[RibbonPiece]:
    """The pieces, those marked whose id leads to more than one span."""
    wanted = columns.span_ids[[piece.row for piece in pieces]]
    found = columns.span_ids[np.isin(columns.span_ids, wanted)]
    ids, counts = np.unique(found, return_counts=True)
    is_shared = counts[np.searchsorted(ids, wanted)] > 1
    return [
        replace(piece, is_shared=True) if shared else piece
        for piece, shared in zip(pieces, is_shared.tolist(), strict=True)
    ]


def _piece(
    columns: TraceColumns,
    rows: Ints,
    segments: tuple[int, int],
    time: tuple[int, int],
    begin: int,
    total: int,
) -> RibbonPiece:
    first, last = segments
    longest = first + int(np.argmax(np.diff(columns.bounds_ns[first : last + 1])))
    row = int(rows[longest])
    name, service = columns.operations[int(columns.arrays["op"][row])]
    return RibbonPiece(
        service=columns.services[service],
        operation=name,
        label=LABELS[int(columns.arrays["seg_label"][longest])],
        row=row,
        span_id=span_id_hex(int(columns.span_ids[row])),
        x=100 * (time[0] - begin) / total,
        width=100 * (time[1] - time[0]) / total,
        begin_ns=time[0],
        end_ns=time[1],
        share=(time[1] - time[0]) / total,
    )


def _sampled(
    columns: TraceColumns, rows: Ints, services: Ints, begin: int, total: int
) -> list[RibbonPiece]:
    """Slots of equal width, each with the service that holds most of it; neighbours joined."""
    bounds = columns.bounds_ns
    edges = [begin + slot * total // MOST_PIECES for slot in range(MOST_PIECES + 1)]
    slots: list[tuple[int, int, int, int, int]] = []  # service, segments, time
    for low, high in zip(edges, edges[1:], strict=False):
        if high <= low:
            continue
        first = max(0, int(np.searchsorted(bounds, low, "right")) - 1)
        last = min(rows.size, int(np.searchsorted(bounds, high, "left")))
        held = np.minimum(bounds[first + 1 : last + 1], high) - np.maximum(bounds[first:last], low)
        service = int(np.argmax(np.bincount(services[first:last], weights=held)))
        own = first + np.flatnonzero(services[first:last] == service)
        if slots and slots[-1][0] == service:
            _, begun, _, since, _ = slots[-1]
            slots[-1] = (service, begun, int(own[-1]) + 1, since, high)
        else:
            slots.append((service, int(own[0]), int(own[-1]) + 1, low, high))
    pieces = []
    for service, first, last, low, high in slots:
        # Others lie between the first and the last segment; the name is that of the longest own.
        lengths = np.where(services[first:last] == service, np.diff(bounds[first : last + 1]), -1)
        longest = first + int(np.argmax(lengths))
        pieces.append(_piece(columns, rows, (longest, longest + 1), (low, high), begin, total))
    return pieces
