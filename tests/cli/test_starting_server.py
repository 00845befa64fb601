"""A command that comes while a server is still starting waits for it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from longpole.cli import http_source
from longpole.cli.exit_codes import NoAnswer
from longpole.cli.http_source import HttpSource


class Starting(ThreadingHTTPServer):
    """Says so often that it is starting before it answers."""

    def __init__(self, times: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.times = times


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Starting)
        server.times -= 1
        is_starting = server.times >= 0
        error = {"code": "starting", "message": "the server is starting; ask again"}
        body = json.dumps({"error": error} if is_starting else {"version": "1"}).encode()
        self.send_response(503 if is_starting else 200)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize(("times", "is_answered"), [(2, True), (100, False)])
def test_a_server_that_is_starting_is_asked_again(times: int, is_answered: bool) -> None:
    with Starting(times) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with HttpSource(f"http://127.0.0.1:{server.server_address[1]}", None) as source:
                if is_answered:
                    assert source.status() == {"version": "1"}
                else:
                    with pytest.raises(NoAnswer, match="starting"):
                        source.status()
                    assert server.times == 100 - http_source.MOST_TRIES - 1
        finally:
            server.shutdown()
            thread.join()
