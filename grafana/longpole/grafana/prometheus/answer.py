"""What a question is answered with: pieces of JSON that are never one big object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson

# Small enough not to be noticed, large enough that handing a piece over costs nothing.
PIECE_BYTES = 1 << 18
TRUNCATED = "results truncated due to limit"


@dataclass(frozen=True, slots=True)
class Answer:
    """`data` are the pieces of the JSON of `data`."""

    data: Iterable[bytes]
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    media_type: str = "application/json"

    def pieces(self) -> Iterator[bytes]:
        """The whole document, in pieces of a useful size."""
        held: list[bytes] = []
        size = 0
        for part in self._parts():
            held.append(part)
            size += len(part)
            if size >= PIECE_BYTES:
                yield b"".join(held)
                held, size = [], 0
        yield b"".join(held)

    def _parts(self) -> Iterator[bytes]:
        yield b'{"status":"success","data":'
        yield from self.data
        for name, said in (("warnings", self.warnings), ("infos", self.infos)):
            if said:
                yield b',"%b":%b' % (name.encode(), orjson.dumps(said))
        yield b"}"


def of(content: object, warnings: tuple[str, ...] = ()) -> Answer:
    """An answer from plain data."""
    return Answer((orjson.dumps(content),), warnings)


def result(kind: str, entries: Iterable[bytes]) -> Iterator[bytes]:
    """The `data` of a query. Grafana's decoder wants the type before the result."""
    yield b'{"resultType":"%b","result":[' % kind.encode()
    separator = b""
    for entry in entries:
        yield separator
        yield entry
        separator = b","
    yield b"]}"
