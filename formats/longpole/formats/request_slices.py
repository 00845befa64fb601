"""Cuts a big protobuf request into small ones that together hold the same records.

```
request  [ R1: res [ S1: sc | r r r r r r r ] [ S2: sc | r r ] ] [ R2: res [ … ] ]
slices   [ R1: res [ S1: sc | r r r r ] ]
         [ R1: res [ S1: sc | r r r ] [ S2: sc | r ] ]
         [ R1: res [ S2: sc | r ] ] [ R2: res [ … ] ]
```

Whatever is not on the way to a record (resource, scope, schema URL, a metric's name) is the
envelope of its message and is repeated in every slice that the message reaches into.
"""

from __future__ import annotations

from collections.abc import Iterator

from longpole.formats import any_value, wire
from longpole.formats.request_weight import RequestTooHeavy
from longpole.model.signals import Signal

SLICE_BYTES = 512 << 10
MAX_REPEATED_BYTES = 512 << 10
MAX_RECORDS = 1_000_000  # 64 bytes each in the largest body that is taken by default
# Field numbers from the request down to the record; the fourth of metrics is one of the
# kinds of data, of which a metric has one.
_PATHS = {
    Signal.TRACES: (frozenset({1}), frozenset({2}), frozenset({2})),
    Signal.LOGS: (frozenset({1}), frozenset({2}), frozenset({2})),
    Signal.METRICS: (
        frozenset({1}),
        frozenset({2}),
        frozenset({2}),
        frozenset({5, 7, 9, 10, 11}),
        frozenset({1}),
    ),
}
_METRIC_DATA = 3


def slices(
    signal: Signal,
    body: bytes,
    slice_bytes: int = SLICE_BYTES,
    max_records: int = MAX_RECORDS,
) -> Iterator[bytes]:
    """Valid requests of about `slice_bytes`, records in their order. A slice is larger than
    twice that only when one record or one envelope is.

    Raises `MalformedRequest` where the wire format is broken above the records (inside of
    them is for the decoder to find out), `RequestTooHeavy` for more than `max_records`
    records, resources and scopes, or when envelopes of more than `MAX_REPEATED_BYTES` would
    have to be repeated.
    """
    yield from _Cutter(_PATHS[signal], body, slice_bytes, max_records).run()


class _Level:
    """An open message: its tag, its envelope, and the finished parts since the last cut."""

    def __init__(self, number: int, envelope: bytes) -> None:
        self.number = number
        self.envelope = envelope
        self.parts: list[bytes] = []
        self.was_cut = False

    def take(self) -> bytes:
        """The message as it stands; its parts are gone after that."""
        content = b"".join((self.envelope, *self.parts))
        self.parts = []
        tag = any_value.varint(self.number << 3 | wire.BYTES)
        return b"".join((tag, any_value.varint(len(content)), content))


class _Cutter:
    def __init__(
        self, path: tuple[frozenset[int], ...], body: bytes, slice_bytes: int, max_records: int
    ) -> None:
        self._path = path
        self._body = body
        self._slice_bytes = slice_bytes
        self._max_records = max_records
        self._seen = 0
        self._top: list[bytes] = []
        self._open: list[_Level] = []
        self._held = 0  # bytes in this slice that are no envelope of an open message

    def run(self) -> Iterator[bytes]:
        for number, kind, begin, content, end in wire.fields(self._body, 0, len(self._body)):
            self._count()
            if number in self._path[0] and kind == wire.BYTES:
                yield from self._message(1, number, begin, content, end)
            else:
                yield from self._add(begin, end)
        if self._top:
            yield self._cut()

    def _message(
        self, depth: int, number: int, begin: int, content: int, end: int
    ) -> Iterator[bytes]:
        """One field; `depth` levels of the path lead to it and it."""
        if depth == len(self._path) or end - begin <= self._slice_bytes:
            # Small messages go in as they are, whatever is in them.
            if depth < len(self._path):
                self._count_inside(depth, content, end)
            yield from self._add(begin, end)
            return
        envelope, children = self._envelope(depth, content, end)
        if depth == _METRIC_DATA and children > 1:  # of two kinds of data the last one counts
            yield from self._add(begin, end)
            return
        if self._held and self._held + len(envelope) > self._slice_bytes:
            yield self._cut()
        level = _Level(number, envelope)
        self._open.append(level)
        on_path = self._path[depth]
        for inner, kind, start, inside, stop in wire.fields(self._body, content, end):
            if inner in on_path and kind == wire.BYTES:
                yield from self._message(depth + 1, inner, start, inside, stop)
        self._open.pop()
        if level.parts or not level.was_cut:
            self._parts().append(level.take())
            self._held += len(envelope)

    def _envelope(self, depth: int, content: int, end: int) -> tuple[bytes, int]:
        """All fields that do not lead to records, and how many do."""
        kept: list[bytes] = []
        children = 0
        on_path = self._path[depth]
        for number, kind, begin, _, stop in wire.fields(self._body, content, end):
            self._count()
            if number in on_path and kind == wire.BYTES:
                children += 1
            else:
                kept.append(self._body[begin:stop])
        return b"".join(kept), children

    def _count_inside(self, depth: int, content: int, end: int) -> None:
        """Count the records of a message that is not taken apart."""
        open_parts = [(depth, content, end)]
        while open_parts:
            level, start, stop = open_parts.pop()
            for number, kind, _, inside, after in wire.fields(self._body, start, stop):
                self._count()
                is_inner = kind == wire.BYTES and number in self._path[level]
                if is_inner and level + 1 < len(self._path):
                    open_parts.append((level + 1, inside, after))

    def _count(self) -> None:
        self._seen += 1
        if self._seen > self._max_records:
            raise RequestTooHeavy(
                f"The request holds more than {self._max_records} records; nothing was kept. "
                "Lower the sender's batch size."
            )

    def _parts(self) -> list[bytes]:
        return self._open[-1].parts if self._open else self._top

    def _add(self, begin: int, end: int) -> Iterator[bytes]:
        size = end - begin
        if self._held and self._held + size > self._slice_bytes:
            yield self._cut()
        self._parts().append(self._body[begin:end])
        self._held += size

    def _cut(self) -> bytes:
        """The slice so far. Messages that are open go on in the next one."""
        repeated = sum(len(level.envelope) for level in self._open)
        if repeated > MAX_REPEATED_BYTES:
            raise RequestTooHeavy(
                f"A resource, scope or metric of {repeated} bytes describes more records than "
                "can be taken with it; nothing was kept. Shorten its attributes, or lower the "
                "sender's batch size."
            )
        for index in range(len(self._open) - 1, -1, -1):
            level = self._open[index]
            if level.parts or not level.was_cut:
                outer = self._open[index - 1].parts if index else self._top
                outer.append(level.take())
            level.was_cut = True
        finished = b"".join(self._top)
        self._top = []
        self._held = 0
        return finished
