"""A service behind a proxy: notes every request, answers as it is told to."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class _Quiet(ThreadingHTTPServer):
    """A proxy that ends resets the connections it had kept open."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reset is no news; anything else is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@dataclass(frozen=True)
class Seen:
    """One request; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Backend:
    """`answers` are the status codes of the next requests that are no health checks; then 200."""

    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)


@contextmanager
def backend() -> Iterator[Backend]:
    """Serve on a free loopback port for the time of the block."""
    told = Backend()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(200 if self.path == "/readyz" else self._note())

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self._answer(self._note())

        def _note(self) -> int:
            headers = {name.lower(): value for name, value in self.headers.items()}
            told.seen.append(Seen(self.command, self.path, headers))
            return told.answers.pop(0) if told.answers else 200

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    server = _Quiet(("127.0.0.1", 0), Handler)
    told.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
