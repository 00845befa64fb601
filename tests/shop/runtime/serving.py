"""An app on a free port, for a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from starlette.types import ASGIApp

from shop.chassis.process import HttpServer, listen_on


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """The URL of the app while it is served."""
    listener = listen_on("127.0.0.1:0")
    server = HttpServer(app, listener, drain_seconds=1)
    server.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.stop()
        listener.close()


@contextmanager
def client_of(app: ASGIApp) -> Iterator[httpx.Client]:
    """A client of the app while it is served."""
    with served(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield client
