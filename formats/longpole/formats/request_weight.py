"""Bounds what one request from the network may unfold into, before anything is unfolded.

Empty protobuf messages cost two bytes on the wire and hundreds in memory, so a limit on body
size alone lets 64 MiB become many gigabytes. `decode` itself has no such limit, since replay
and files decode many requests at once; whoever takes bytes from strangers asks here first.
"""

from __future__ import annotations

import numpy as np

from longpole.formats import wire
from longpole.formats.malformed import MalformedRequest
from longpole.model.signals import Signal

MAX_RECORDS = 300_000  # exporters send 512, collectors some ten thousand
MAX_PARTS = 3_000_000  # attributes, events, buckets and whatever else is a message
_RECORD_PATH = {
    Signal.TRACES: ({1}, {2}, {2}),
    Signal.LOGS: ({1}, {2}, {2}),
    Signal.METRICS: ({1}, {2}, {2}, {5, 7, 9, 10, 11}, {1}),
}
_CHUNK = 1 << 20


class RequestTooHeavy(MalformedRequest):
    """The request would take too much memory; smaller batches of the same data are fine."""


def check(
    signal: Signal, body: bytes, max_records: int = MAX_RECORDS, max_parts: int = MAX_PARTS
) -> None:
    """Raises `RequestTooHeavy` for a protobuf body of too many records or tiny messages.
    Broken bodies pass: the decoder says better what is wrong with them."""
    if len(body) > 2 * max_parts and _tiny_parts(body) > max_parts:
        raise RequestTooHeavy(
            f"The request holds more than {max_parts} nearly empty parts; nothing was kept."
        )
    if len(body) <= 2 * max_records:
        return
    budget = max_records
    open_parts = [(0, 0, len(body))]
    path = _RECORD_PATH[signal]
    try:
        while open_parts:
            level, start, end = open_parts.pop()
            for number, kind, _, content, stop in wire.fields(body, start, end):
                if kind != wire.BYTES or number not in path[level]:
                    continue
                budget -= 1
                if budget < 0:
                    raise RequestTooHeavy(
                        f"The request holds more than {max_records} records; nothing was kept. "
                        "Lower the sender's batch size."
                    )
                if level + 1 < len(path):
                    open_parts.append((level + 1, content, stop))
    except RequestTooHeavy:
        raise
    except MalformedRequest:
        return


def _tiny_parts(body: bytes) -> int:
    """How often a one-byte length-delimited tag is followed by a length of 0 or 2, which is
    what tiny messages are made of. Chance pairs in real data are a few per record."""
    found = 0
    whole = np.frombuffer(body, dtype=np.uint8)
    for start in range(0, len(whole), _CHUNK):
        piece = whole[start : start + _CHUNK + 1]
        tags, sizes = piece[:-1] & 0x87 == 2, piece[1:] & 0xFD == 0
        found += int(np.count_nonzero(tags & sizes))
    return found


def check_json(body: bytes, max_objects: int = MAX_PARTS) -> None:
    """The same for a JSON body, by its opening brackets."""
    if body.count(b"{") + body.count(b"[") > max_objects:
        raise RequestTooHeavy(
            f"The request holds more than {max_objects} JSON objects and arrays; nothing was "
            "kept. Lower the sender's batch size."
        )
