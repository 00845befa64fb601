"""Just enough HTTP/2 to tell a gRPC client that it came to the HTTP port.

A GOAWAY would do by the standard, but gRPC clients connect again at once, hundreds of times
a second, and show their user a timeout. A proper refusal of each call ends that, and the
exporter prints the words.
"""

from __future__ import annotations

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADERS, _SETTINGS, _PING, _GOAWAY = 1, 4, 6, 7
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_UNIMPLEMENTED = b"12"
_FRAME_HEAD = 9
_MAX_FRAME = 16 << 10


class Http2Hint:
    """One connection: bytes in, bytes out. Bodies are dropped, no state is kept for streams."""

    def __init__(self, words: str) -> None:
        fields = (
            (b":status", b"200"),
            (b"content-type", b"application/grpc"),
            (b"grpc-status", _UNIMPLEMENTED),
            (b"grpc-message", words.encode("ascii", "replace")),
        )
        self._refusal = b"".join(_literal(name, value) for name, value in fields)
        self._waiting = bytearray()
        self._has_preface = False
        self.is_broken = False

    def feed(self, data: bytes) -> bytes:
        """What to answer to these bytes; sets `is_broken` when they are no HTTP/2."""
        self._waiting += data
        out = bytearray()
        if not self._has_preface:
            if len(self._waiting) < len(PREFACE):
                self.is_broken = not PREFACE.startswith(self._waiting)
                return b""
            self.is_broken = not self._waiting.startswith(PREFACE)
            del self._waiting[: len(PREFACE)]
            self._has_preface = True
            out += _frame(_SETTINGS, 0, 0, b"")
        while not self.is_broken and len(self._waiting) >= _FRAME_HEAD:
            length = int.from_bytes(self._waiting[:3], "big")
            if length > _MAX_FRAME:
                self.is_broken = True
            if len(self._waiting) < _FRAME_HEAD + length:
                break
            kind, flags = self._waiting[3], self._waiting[4]
            stream = int.from_bytes(self._waiting[5:9], "big") & 0x7FFFFFFF
            payload = bytes(self._waiting[_FRAME_HEAD : _FRAME_HEAD + length])
            del self._waiting[: _FRAME_HEAD + length]
            out += self._answer(kind, flags, stream, payload)
        return bytes(out)

    def _answer(self, kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        if kind == _HEADERS:
            return _frame(_HEADERS, _END_STREAM | _END_HEADERS, stream, self._refusal)
        if kind == _SETTINGS and not flags & _ACK:
            return _frame(_SETTINGS, _ACK, 0, b"")
        if kind == _PING and not flags & _ACK:
            return _frame(_PING, _ACK, 0, payload)
        self.is_broken = kind == _GOAWAY
        return b""


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return (
        struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream)
    ) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """A header in HPACK, not indexed and not compressed (RFC 7541, 6.2.2)."""
    return b"\0" + _length(name) + name + _length(value) + value


def _length(text: bytes) -> bytes:
    """An HPACK integer with a prefix of 7 bits."""
    if len(text) < 127:
        return bytes((len(text),))
    rest, out = len(text) - 127, bytearray((127,))
    while rest >= 128:
        out.append(rest % 128 + 128)
        rest //= 128
    out.append(rest)
    return bytes(out)
