"""HTTP/2 used against the server: floods of resets, settings, header pieces and idle connections
cost a bounded amount of memory, and honest senders are still served."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack, suppress

import grpc
import pytest

from tests.collector.conformance.test_grpc import body
from tests.collector.http2_frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    HEADERS,
    PING,
    PREFACE,
    RESET,
    SETTINGS,
    call_headers,
    field,
    frame,
)
from tests.collector.serving import METHOD_OF, TRACES
from tests.collector.test_hostile import MIB, Victim, victim

CALL = call_headers()


def rapid_reset(count: int) -> bytes:
    """CVE-2023-44487: a call is opened and taken back at once, again and again."""
    frames = []
    for number in range(count):
        stream = 2 * number + 1
        frames.append(frame(HEADERS, END_HEADERS, stream, CALL))
        frames.append(frame(RESET, 0, stream, struct.pack(">I", 8)))
    return PREFACE + b"".join(frames)


def settings_flood(count: int) -> bytes:
    """Every SETTINGS frame wants an acknowledgement."""
    return PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65_535)) * count


def ping_flood(count: int) -> bytes:
    """Every PING wants an answer, and nobody reads the answers."""
    return PREFACE + frame(PING, 0, 0, bytes(8)) * count


def continuation_flood(count: int) -> bytes:
    """CVE-2023-45288: headers that go on for ever."""
    piece = frame(CONTINUATION, 0, 1, field("x-a", "b" * 100) * 10)
    return PREFACE + frame(HEADERS, 0, 1, CALL) + piece * count


def crumbs(count: int) -> bytes:
    """A message of which each byte comes in a frame of its own."""
    head = frame(HEADERS, END_HEADERS, 1, CALL)
    start = frame(DATA, 0, 1, b"\0" + struct.pack(">I", count))
    return PREFACE + head + start + frame(DATA, 0, 1, b"\0") * count


ATTACKS: dict[str, Callable[[int], bytes]] = {
    "rapid reset": rapid_reset,
    "settings flood": settings_flood,
    "ping flood": ping_flood,
    "continuation flood": continuation_flood,
    "a message in crumbs": crumbs,
}


def attack(served: Victim, frames: bytes) -> None:
    """Send it all, or as much as the server puts up with, and read nothing."""
    host, port = served.grpc.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=5) as connection, suppress(OSError):
        connection.sendall(frames)


def is_served(served: Victim) -> bool:
    """Whether an honest request is still taken."""
    with grpc.insecure_channel(served.grpc) as channel:
        return bool(channel.unary_unary(METHOD_OF[TRACES])(body(), timeout=30) == b"")


def test_floods_on_one_connection_are_bounded() -> None:
    with victim() as served:
        for name, frames in ATTACKS.items():
            attack(served, frames(2_000))
            assert is_served(served), name
        assert served.peak < served.start + 50 * MIB


@pytest.mark.full
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ATTACKS)
def test_long_floods_are_bounded(name: str) -> None:
    with victim() as served:
        for _ in range(3):
            attack(served, ATTACKS[name](20_000))
        assert is_served(served)
        # The gRPC library takes up to 75 MiB for a flood of header pieces, however long it is,
        # and gives it back a while after the connection.
        assert served.peak < served.start + 256 * MIB


@pytest.mark.full
@pytest.mark.timeout(300)
def test_a_thousand_idle_connections_leave_room_for_others() -> None:
    with victim() as served, ExitStack() as stack:
        host, port = served.grpc.rsplit(":", 1)
        for _ in range(1_000):
            connection = stack.enter_context(socket.create_connection((host, int(port)), 10))
            connection.sendall(PREFACE)
        assert is_served(served)
        assert served.peak < served.start + 100 * MIB
