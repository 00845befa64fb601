"""HTTP/2 as bytes: what a client sends that no library would send (RFC 9113, RFC 7541)."""

from __future__ import annotations

import struct

from tests.collector.serving import METHOD_OF, TRACES

DATA, HEADERS, RESET, SETTINGS, PING, CONTINUATION = 0, 1, 3, 4, 6, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame: three bytes of length, kind, flags and stream before its payload."""
    size = struct.pack(">I", len(payload))[1:]
    return size + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def field(name: str, value: str) -> bytes:
    """One header field, neither compressed nor indexed."""
    assert len(value) < 127
    return b"\0" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()


def call_headers(content_type: str = "application/grpc") -> bytes:
    """The header fields of an Export call of traces."""
    return b"".join(
        field(name, value)
        for name, value in (
            (":method", "POST"),
            (":scheme", "http"),
            (":path", METHOD_OF[TRACES]),
            (":authority", "x"),
            ("te", "trailers"),
            ("content-type", content_type),
        )
    )


# How every connection begins, with SETTINGS that change nothing.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, b"")
