"""A scanned request: its messages by kind, each kind a table in the order of the request."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from longpole.formats.compiled import layout
from longpole.formats.compiled.plans import Plan
from longpole.formats.compiled.scan_loops import FULL, READ, scan
from longpole.formats.compiled.wire_loops import Bytes, Ints, Rows

# Bytes of a body for each row that a first try has room for; what does not fit is tried again.
_BYTES_PER_MESSAGE, _BYTES_PER_ATTRIBUTE, _LEAST_ROWS = 96, 16, 64
# Who sends more and smaller messages waits for the reference, and takes no memory meanwhile.
_MOST_MESSAGES_PER_BYTE, _ALWAYS_READ = 1 / 8, 4096


@dataclass(frozen=True, slots=True)
class Scanned:
    """A request of one signal: `body` and its bytes as `data`, and the tables of the scan."""

    body: bytes
    data: Bytes
    messages: Rows
    attributes: Rows
    _places: dict[tuple[int, int], slice | Ints] = field(default_factory=dict)

    def kind(self, kind: int) -> Rows:
        """The messages of one kind; rows may be written to where they are all of their level."""
        return self.kinds(kind, kind)

    def kinds(self, first: int, last: int) -> Rows:
        """Those of several kinds that follow one another, in the order of the request."""
        return self.messages[self.places(first, last)]

    def places(self, first: int, last: int) -> slice | Ints:
        """Which rows these are."""
        known = self._places.get((first, last))
        if known is None:
            kinds = self.messages[:, layout.KIND]
            known = found = np.flatnonzero((kinds >= first) & (kinds <= last))
            if len(found) and found[-1] - found[0] + 1 == len(found):
                known = slice(int(found[0]), int(found[-1]) + 1)
            self._places[first, last] = known
        return known

    def parents(self, children: Rows, first: int, last: int) -> NDArray[np.int64]:
        """For each of these messages which of `kinds(first, last)` it is part of."""
        places = self.places(first, last)
        of = children[:, layout.PARENT]
        return of - int(places.start) if isinstance(places, slice) else places.searchsorted(of)


def scanned(body: bytes, plan: Plan) -> Scanned | None:
    """None for a request that only the reference can judge."""
    data = np.frombuffer(body, np.uint8)
    most = _ALWAYS_READ + int(len(data) * _MOST_MESSAGES_PER_BYTE)
    room = [
        _LEAST_ROWS + len(data) // _BYTES_PER_MESSAGE,
        _LEAST_ROWS + len(data) // _BYTES_PER_ATTRIBUTE,
    ]
    made = np.zeros(2, np.int64)
    while True:
        messages = np.empty((room[0], layout.WIDTH), np.int64)
        attributes = np.empty((room[1], layout.ATTRIBUTE_WIDTH), np.int64)
        messages[0] = 0
        messages[0, layout.END] = len(data)
        outcome = scan(data, plan, messages, attributes, made)
        if outcome == READ:
            return Scanned(body, data, messages[: made[0]], attributes[: made[1]])
        if outcome != FULL or room[0] > most:
            return None
        room = [4 * count for count in room]
