"""Somebody who is told of alerts over HTTP, for tests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Sink:
    """What was posted, with which headers (in lower case); `refuse` is how many requests get a
    500 first, `said` what an answer says, over and over if it `is_endless`."""

    def __init__(self, refuse: int = 0, said: bytes = b"", is_endless: bool = False) -> None:
        self.bodies: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.refuse = refuse
        self.said, self.is_endless = said, is_endless
        self.url = ""


@contextmanager
def listening(sink: Sink) -> Iterator[Sink]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sink.refuse -= 1
            # Before the answer: who got it may look at once.
            if sink.refuse < 0:
                sink.headers.append({name.lower(): text for name, text in self.headers.items()})
                sink.bodies.append(json.loads(body))
            self.send_response(500 if sink.refuse >= 0 else 200)
            self.end_headers()
            try:
                self.wfile.write(sink.said)
                while sink.is_endless:
                    self.wfile.write(sink.said)
            except OSError:
                pass  # Whoever asked has read enough.

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        sink.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield sink
        finally:
            server.shutdown()
            thread.join()
