"""Undoing Content-Encoding with a bound on the output that no sender can lift.

Nothing is allocated from a size that the body declares: every decoder gives out pieces, and
the pieces are counted.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator, Iterator, Mapping

import zstandard

from longpole.collector.refusals import (
    BAD_COMPRESSION,
    TOO_LARGE,
    UNSUPPORTED_COMPRESSION,
    Refused,
)

_PIECE = 1 << 18
# RFC 8878 recommends that decoders support at least 8 MiB; more would let a tiny frame ask
# for gigabytes of window.
_ZSTD_MAX_WINDOW = 8 << 20
# A compressed zstd block takes 4 bytes or more and holds at most 128 KiB, so 256 bytes of
# input give at most 8 MiB of output before it is counted.
_ZSTD_FEED = 256
# Setting up a decoder costs microseconds, and an empty member 20 bytes; block compressors
# cut 64 MiB into a thousand pieces.
_MOST_FRAMES = 10_000
_GZIP_MAGIC = b"\x1f\x8b"
ACCEPTED = "gzip, deflate, zstd, identity"


def encoding_of(header: str) -> str:
    """The one encoding that a Content-Encoding header names; "" for identity.

    Raises `Refused` for unknown names and for lists: no client stacks encodings, and
    bombs do.
    """
    name = header.strip().lower()
    if name in ("", "identity"):
        return ""
    name = {"x-gzip": "gzip"}.get(name, name)
    if name not in _DECODERS:
        raise Refused(UNSUPPORTED_COMPRESSION, f"Content-Encoding {header[:100]!r} is not known")
    return name


def decompress(encoding: str, body: bytes, limit: int) -> bytes:
    """The decoded body, at most `limit` bytes. Raises `Refused` (too large, damaged).

    `encoding` comes from `encoding_of`. An empty body is empty in every encoding: some
    clients set the header for a request without a body.
    """
    if not encoding or not body:
        return body
    pieces: list[bytes] = []
    total = 0
    try:
        for piece in _DECODERS[encoding](body):
            total += len(piece)
            if total > limit:
                raise Refused(TOO_LARGE, f"more than {limit} bytes after {encoding}")
            pieces.append(piece)
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise Refused(BAD_COMPRESSION, f"{encoding}: {error}") from None
    return b"".join(pieces)


def _gzip(body: bytes) -> Iterator[bytes]:
    """Members of RFC 1952 one after the other; zero padding behind the last is allowed,
    other trailing bytes are an error."""
    position = 0
    for _ in range(_MOST_FRAMES):
        decoder = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        position = yield from _inflate(decoder, body, position)
        if body[position : position + 1] == b"\0":
            position += len(body) - position - len(body[position:].lstrip(b"\0"))
            if position == len(body):
                return
        if position == len(body):
            return
        if not body.startswith(_GZIP_MAGIC, position):
            left = len(body) - position
            raise EOFError(f"{left} bytes behind the end of the stream are no gzip member")
    raise EOFError(f"more than {_MOST_FRAMES} members")


def _deflate(body: bytes) -> Iterator[bytes]:
    """HTTP's deflate is zlib (RFC 1950); some senders mean raw deflate (RFC 1951)."""
    is_zlib = len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
    decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
    position = yield from _inflate(decoder, body, 0)
    if position != len(body):
        raise EOFError(f"{len(body) - position} bytes behind the end of the stream")


def _inflate(decoder: zlib._Decompress, body: bytes, position: int) -> Generator[bytes, None, int]:
    """One stream that starts at `position`; returns where it ended.

    Input goes in by growing slices, so that a body of a million tiny members is not copied
    a million times over.
    """
    feed = 512
    data = b""
    while not decoder.eof:
        if not data:
            data = body[position : position + feed]
            position += len(data)
            feed = min(feed * 2, _PIECE)
        is_last = position >= len(body)
        piece = decoder.decompress(data, _PIECE)
        data = decoder.unconsumed_tail
        if piece:
            yield piece
        elif is_last and not data and not decoder.eof:
            raise EOFError("the stream ends too early")
    return position - len(decoder.unused_data)


def _zstd(body: bytes) -> Iterator[bytes]:
    """All frames, skippable ones included."""
    context = zstandard.ZstdDecompressor(max_window_size=_ZSTD_MAX_WINDOW)
    view = memoryview(body)
    position = 0
    for _ in range(_MOST_FRAMES):
        frame = context.decompressobj(write_size=_PIECE)
        while not frame.eof:
            data = view[position : position + _ZSTD_FEED]
            if not data:
                raise EOFError("the frame ends too early")
            position += len(data)
            piece = frame.decompress(data)
            if piece:
                yield piece
        position -= len(frame.unused_data)
        if position == len(body):
            return
    raise EOFError(f"more than {_MOST_FRAMES} frames")


_DECODERS: Mapping[str, Callable[[bytes], Iterator[bytes]]] = {
    "gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
}
