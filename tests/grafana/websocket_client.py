"""A websocket as a client has it, over a socket of this machine."""

from __future__ import annotations

import json
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import RemoteProtocolError


class Refused(Exception):
    """The server did not want to; `status` and `text` are what it said instead."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status, self.text = status, text


class Websocket:
    """Use `connected`."""

    def __init__(self, plug: socket.socket) -> None:
        self._plug, self._wire = plug, WSConnection(ConnectionType.CLIENT)
        self._events: deque[Event] = deque()

    def ask(self, host: str, target: str, headers: dict[str, str]) -> None:
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        request = Request(host=host, target=target, extra_headers=extra)
        self._plug.sendall(self._wire.send(request))
        first = self._event()
        if isinstance(first, AcceptConnection):
            return
        assert isinstance(first, RejectConnection), first
        body = b""
        while first.has_body and isinstance(part := self._event(), RejectData):
            body += bytes(part.data)
            if part.body_finished:
                break
        raise Refused(first.status_code, body.decode())

    def message(self) -> Any:
        """The next document that comes; the close code when the server closes."""
        text = ""
        while True:
            event = self._event()
            if isinstance(event, CloseConnection):
                return event.code
            if isinstance(event, Ping):
                self._plug.sendall(self._wire.send(event.response()))
                continue
            assert isinstance(event, TextMessage), event
            text += event.data
            if event.message_finished:
                return json.loads(text)

    def _event(self) -> Event:
        while not self._events:
            try:
                self._wire.receive_data(self._plug.recv(1 << 16) or None)
            except RemoteProtocolError as error:
                raise AssertionError(f"no websocket: {error}") from error
            self._events.extend(self._wire.events())
        return self._events.popleft()


@contextmanager
def connected(address: tuple[str, int], target: str, **headers: str) -> Iterator[Websocket]:
    """A websocket at that address. Raises `Refused`."""
    with socket.create_connection(address, timeout=60) as plug:
        made = Websocket(plug)
        made.ask(f"{address[0]}:{address[1]}", target, headers)
        yield made
