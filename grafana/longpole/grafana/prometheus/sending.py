"""Pieces of a document to an HTTP response: packed when asked for, streamed when large."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Protocol

from starlette.responses import Response, StreamingResponse

# Documents smaller than this are not worth packing.
LEAST_PACKED = 1024
# What is larger than this on the wire is sent while it is made. Each piece that is sent costs a
# change of threads, which is more than making it.
MOST_WHOLE = 1 << 20
_GZIP = 31


class _Packer(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def _zlib() -> _Packer:
    # Answers are read once: a low level is a fifth of the work of the highest.
    return zlib.compressobj(1, zlib.DEFLATED, _GZIP)


try:
    from isal import isal_zlib
except ImportError:
    # There is none for this kind of processor.
    packer: Callable[[], _Packer] = _zlib
else:

    def packer() -> _Packer:
        """A new packer. This one takes a quarter of the time of zlib, and packs better."""
        return isal_zlib.compressobj(1, isal_zlib.DEFLATED, _GZIP)


_HEADERS = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}


def response(
    pieces: Iterator[bytes], is_packed: bool, media_type: str = "application/json"
) -> Response:
    """What is not large is made here. Of a large answer the first MB is made here, so that its
    errors are the caller's; the rest while the response is sent, in threads, so that it is never
    held as a whole."""
    first = next(pieces, b"")
    second = next(pieces, None)
    is_packed = is_packed and (second is not None or len(first) >= LEAST_PACKED)
    made = chain((first,) if second is None else (first, second), pieces)
    sent = _gathered(packed(made) if is_packed else made)
    begin = next(sent, b"")
    next_one = next(sent, None)
    headers = {**_HEADERS, "Content-Encoding": "gzip"} if is_packed else _HEADERS
    if next_one is None:
        return Response(begin, media_type=media_type, headers=headers)
    return StreamingResponse(chain((begin, next_one), sent), media_type=media_type, headers=headers)


def packed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same in gzip's format."""
    packing = packer()
    for piece in pieces:
        yield packing.compress(piece)
    yield packing.flush()


def _gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= MOST_WHOLE:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
