"""One journal frame: a request as it lies on disk, and the header that guards it.

Little-endian; 64 bytes of header, then the body:

    0        8  9  10 11 12     16            24            32
    +--------+--+--+--+--+------+-------------+-------------+
    | magic  |v |s |f |0 |length|arrival, ns  |sequence no. |   v version  s signal  f flags
    +--------+--+--+--+--+------+-------------+-------------+
    | request hash, 16 bytes    | salt |since | hcrc |  crc  |
    +---------------------------+------+------+------+-------+
    32                          48     52     56     60      64   body ...

- The magic lets a reader find its feet again after damage. A sender may put it (or a whole
  frame) into an attribute, so a frame counts only with the salt of its file: four random
  bytes, the same in every frame of one file and nowhere else.
- `hcrc`, CRC32C of bytes 0 to 55, makes the length trustworthy without reading the body, so
  that headers can be walked. `crc`, CRC32C of bytes 0 to 59 and the body, covers everything.
- `since` is the distance back to the last frame that was durable when this one was written:
  a chain that tells lost frames from numbers that a failed write used up. 0: unknown.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from crc32c import crc32c

from longpole.model.signals import Signal

MAGIC = b"\x89LPJrnl\n"  # the high bit and the newline show 7-bit and text-mode damage
FORMAT_VERSION = 1
HEADER = struct.Struct("<8sBBBBIqQ16s4sIII")
HEADER_BYTES = HEADER.size
HEADER_CRC_COVERS = HEADER_BYTES - 8
BODY_CRC_COVERS = HEADER_BYTES - 4
SALT_BYTES = 4
HASH_BYTES = 16
MAX_BODY_BYTES = 2**32 - 1
_HAS_TIME = 1
_KNOWN_FLAGS = _HAS_TIME
_U32_MAX = 2**32 - 1
_TRAILER = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Frame:
    """One request out of the journal. `has_time` is false when no record of it carries a
    time: then an equal request may be a new one."""

    sequence_number: int
    signal: Signal
    arrival_unix_nano: int
    request_hash: bytes
    body: bytes
    has_time: bool


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What a header with a good `hcrc` says. `previous` is the last durable sequence number
    when the frame was written, 0 if unknown."""

    sequence_number: int
    signal: Signal
    arrival_unix_nano: int
    request_hash: bytes
    has_time: bool
    body_bytes: int
    salt: bytes
    previous: int

    @property
    def frame_bytes(self) -> int:
        return HEADER_BYTES + self.body_bytes

    def with_body(self, body: bytes) -> Frame:
        return Frame(
            self.sequence_number,
            self.signal,
            self.arrival_unix_nano,
            self.request_hash,
            body,
            self.has_time,
        )


def request_hash(signal: Signal, body: bytes) -> bytes:
    """128 bits that tell requests apart: BLAKE2b of the signal's code and the body."""
    digest = hashlib.blake2b(bytes((signal.code,)), digest_size=HASH_BYTES)
    digest.update(body)
    return digest.digest()


def encode_header(frame: Frame, salt: bytes, previous: int) -> bytes:
    """The 64 bytes that go before `frame.body`. `previous`: see `FrameHeader`."""
    since = frame.sequence_number - previous if previous else 0
    fields = (
        MAGIC,
        FORMAT_VERSION,
        frame.signal.code,
        _HAS_TIME if frame.has_time else 0,
        0,
        len(frame.body),
        frame.arrival_unix_nano,
        frame.sequence_number,
        frame.request_hash,
        salt,
        since if since <= _U32_MAX else 0,
    )
    header = bytearray(HEADER.pack(*fields, 0, 0))
    _TRAILER.pack_into(header, HEADER_CRC_COVERS, crc32c(header[:HEADER_CRC_COVERS]))
    _TRAILER.pack_into(
        header, BODY_CRC_COVERS, crc32c(frame.body, crc32c(header[:BODY_CRC_COVERS]))
    )
    return bytes(header)


def parse_header(raw: bytes) -> FrameHeader | None:
    """The header in `raw` (at least 64 bytes, else None); None when anything is off."""
    if len(raw) < HEADER_BYTES or raw[:8] != MAGIC:
        return None
    (
        _magic, version, signal, flags, _zero, length, arrival, sequence, digest, salt, since,
        header_crc, _crc,
    ) = HEADER.unpack_from(raw)  # fmt: skip
    if header_crc != crc32c(raw[:HEADER_CRC_COVERS]):
        return None
    if version != FORMAT_VERSION or flags & ~_KNOWN_FLAGS or since > sequence:
        return None
    try:
        kind = Signal.from_code(signal)
    except ValueError:
        return None
    return FrameHeader(
        sequence_number=sequence,
        signal=kind,
        arrival_unix_nano=arrival,
        request_hash=digest,
        has_time=bool(flags & _HAS_TIME),
        body_bytes=length,
        salt=salt,
        previous=sequence - since if since else 0,
    )


def body_matches(raw_header: bytes, body: bytes) -> bool:
    """Whether the body is the one that the header was written for."""
    (expected,) = _TRAILER.unpack_from(raw_header, BODY_CRC_COVERS)
    return bool(expected == crc32c(body, crc32c(raw_header[:BODY_CRC_COVERS])))
