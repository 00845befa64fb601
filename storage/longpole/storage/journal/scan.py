"""Walks one journal file: every undamaged frame, and every stretch that is none.

    | frame 1 | frame 2 |##damage##| frame 4 | torn ta
                          Stretch             Stretch(is_torn)

After damage the walk searches the magic; a find counts only when its header, its salt and
(when bodies are read) its body are in order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from longpole.storage.journal.frame import (
    HEADER_BYTES,
    MAGIC,
    FrameHeader,
    body_matches,
    parse_header,
)

_SEARCH_BYTES = 1 << 20
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class Found:
    """An undamaged frame at `offset`. `body` is None when only headers were walked."""

    offset: int
    header: FrameHeader
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bytes `start` to `end` that hold no readable frame. `is_torn`: the end of the file
    looks like a write that a crash cut off, so nobody was told that it is kept.
    `sequence_number` is that of the cut frame, when its header is whole."""

    start: int
    end: int
    is_torn: bool = False
    sequence_number: int = 0


class FileWindow:
    """Reads a file in chunks; a page that the disk cannot give reads as zeros."""

    def __init__(self, fd: int, size: int, chunk_bytes: int) -> None:
        self.size = size
        self._fd = fd
        self._chunk_bytes = chunk_bytes
        self._start = 0
        self._held = b""

    def read(self, offset: int, length: int) -> bytes:
        """Bytes from `offset`, fewer than `length` only at the end of the file."""
        length = min(length, self.size - offset)
        if length <= 0:
            return b""
        if not self._start <= offset <= offset + length <= self._start + len(self._held):
            wanted = min(max(length, self._chunk_bytes), self.size - offset)
            self._held = self._read_tolerantly(offset, wanted)
            self._start = offset
        begin = offset - self._start
        return self._held[begin : begin + length]

    def _read_tolerantly(self, offset: int, length: int) -> bytes:
        try:
            return _pread_whole(self._fd, length, offset)
        except OSError:
            pages = []
            for at in range(offset, offset + length, _PAGE):
                step = min(_PAGE, offset + length - at)
                try:
                    pages.append(_pread_whole(self._fd, step, at))
                except OSError:
                    pages.append(bytes(step))
            return b"".join(pages)


def scan(fd: int, size: int, *, with_bodies: bool) -> Iterator[Found | Stretch]:
    """What the first `size` bytes of a file hold, in order; they are covered completely.

    Without bodies only headers are read (and a body's damage is not noticed), about 2 µs a
    frame. Never raises for what the file holds.
    """
    # A page brings the headers of many small frames at once and costs a big one nothing.
    window = FileWindow(fd, size, _SEARCH_BYTES if with_bodies else _PAGE)
    salt: bytes | None = None
    offset = 0
    while offset < size:
        found = _frame_at(window, offset, salt, with_bodies)
        if found is None:
            found = _search(window, offset + 1, salt, with_bodies)
            if found is None:
                yield _tail(window, offset, salt)
                return
            yield Stretch(offset, found.offset)
        salt = found.header.salt
        yield found
        offset = found.offset + found.header.frame_bytes


def _frame_at(
    window: FileWindow, offset: int, salt: bytes | None, with_bodies: bool
) -> Found | None:
    raw = window.read(offset, HEADER_BYTES)
    header = parse_header(raw)
    if header is None or (salt is not None and header.salt != salt):
        return None
    if offset + header.frame_bytes > window.size:
        return None
    if not with_bodies:
        return Found(offset, header, None)
    body = window.read(offset + HEADER_BYTES, header.body_bytes)
    return Found(offset, header, body) if body_matches(raw, body) else None


def _search(window: FileWindow, offset: int, salt: bytes | None, with_bodies: bool) -> Found | None:
    """The first undamaged frame at or after `offset`."""
    while offset + HEADER_BYTES <= window.size:
        chunk = window.read(offset, _SEARCH_BYTES)
        at = chunk.find(MAGIC)
        while at >= 0:
            found = _frame_at(window, offset + at, salt, with_bodies)
            if found is not None:
                return found
            at = chunk.find(MAGIC, at + 1)
        # The magic may lie across the border of two chunks.
        offset += max(1, len(chunk) - len(MAGIC) + 1)
    return None


def _tail(window: FileWindow, offset: int, salt: bytes | None) -> Stretch:
    """The end of a file, from `offset` on, where no frame can be read."""
    raw = window.read(offset, HEADER_BYTES)
    header = parse_header(raw)
    if header is not None and salt in (None, header.salt):
        is_cut = offset + header.frame_bytes > window.size
        is_torn = is_cut or _is_zero(window, window.size - HEADER_BYTES)
        return Stretch(offset, window.size, is_torn, header.sequence_number)
    is_cut = len(raw) < HEADER_BYTES and raw[: len(MAGIC)] == MAGIC[: len(raw)]
    return Stretch(offset, window.size, is_cut or _is_zero(window, offset))


def _is_zero(window: FileWindow, offset: int) -> bool:
    """Space that a crash left without its content: zeros up to the end of the file."""
    while offset < window.size:
        chunk = window.read(offset, _SEARCH_BYTES)
        if chunk.count(0) != len(chunk):
            return False
        offset += len(chunk)
    return True


def _pread_whole(fd: int, length: int, offset: int) -> bytes:
    first = os.pread(fd, length, offset)
    if len(first) == length:
        return first
    parts = [first]
    got = len(first)
    while got < length:
        part = os.pread(fd, length - got, offset + got)
        if not part:  # the file shrank under us: what is missing reads as zeros
            parts.append(bytes(length - got))
            break
        parts.append(part)
        got += len(part)
    return b"".join(parts)
