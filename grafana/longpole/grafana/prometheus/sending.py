"""Pieces of a document to an HTTP response: packed when asked for, streamed when large."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from itertools import chain

from starlette.responses import Response, StreamingResponse

# Documents smaller than this are not worth packing.
LEAST_PACKED = 1024
# Answers are read once: a low level is a fifth of the work of the highest.
_LEVEL = 1
_GZIP = 31
_HEADERS = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}


def response(
    pieces: Iterator[bytes], is_packed: bool, media_type: str = "application/json"
) -> Response:
    """The first piece is made here, so that its errors are the caller's; the others are made
    while the response is sent, in threads, so that a large answer is never held as a whole."""
    first = next(pieces, b"")
    second = next(pieces, None)
    if second is None:
        if is_packed and len(first) >= LEAST_PACKED:
            return _whole(b"".join(packed((first,))), True, media_type)
        return _whole(first, False, media_type)
    rest: Iterable[bytes] = chain((first, second), pieces)
    headers = dict(_HEADERS)
    if is_packed:
        rest = packed(rest)
        headers["Content-Encoding"] = "gzip"
    return StreamingResponse(rest, media_type=media_type, headers=headers)


def packed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same in gzip's format."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


def _whole(body: bytes, is_packed: bool, media_type: str) -> Response:
    headers = {**_HEADERS, "Content-Encoding": "gzip"} if is_packed else _HEADERS
    return Response(body, media_type=media_type, headers=headers)
