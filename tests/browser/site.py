"""The web UI on a port of its own, in a thread: the real application behind its real guard."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import uvicorn

from longpole.analyzer.alerting.board import FixedBoard, RuleBoard
from longpole.analyzer.settle import settle_once
from longpole.dashboards.app import WebSettings, create_app
from longpole.dashboards.security import WebGuard
from longpole.formats.rows import telemetry_of_logs, telemetry_of_spans
from longpole.model.clock import ManualClock
from longpole.model.log import LogRecord
from longpole.model.span import Span
from longpole.storage.memory import MemoryStore
from tests.browser.shop_rules import board_of

NO_RULES = FixedBoard()


@dataclass(frozen=True, slots=True)
class Site:
    """A running server; `address` is "http://127.0.0.1:<port>"."""

    address: str
    store: MemoryStore
    clock: ManualClock


@contextlib.contextmanager
def serving(
    spans: Sequence[Span], logs: Sequence[LogRecord], now_unix_nano: int, rules: str = ""
) -> Iterator[Site]:
    """A site over these spans and logs, all settled, at a time that stands still, and with the
    alerts that a file of `rules` gives until then."""
    clock = ManualClock(now_unix_nano)
    store = MemoryStore(clock, 0.0, 0.0)
    try:
        for telemetry in (telemetry_of_spans(spans), telemetry_of_logs(logs)):
            store.submit(telemetry, now_unix_nano).result()
        while settle_once(store, clock).traces:
            pass
        board = board_of(rules, store, clock) if rules else NO_RULES
        with site_of(store, clock, board) as site:
            yield site
    finally:
        store.close()


@contextlib.contextmanager
def site_of(store: MemoryStore, clock: ManualClock, board: RuleBoard = NO_RULES) -> Iterator[Site]:
    """A site over this store, which stays open at the end."""
    addresses = {"grpc": "127.0.0.1:4317", "web": "127.0.0.1:4319"}
    settings = WebSettings("1.2.3", addresses, board=board)
    app = WebGuard(create_app(store, clock, settings), "127.0.0.1")
    server = uvicorn.Server(
        uvicorn.Config(
            app, port=0, log_level="error", lifespan="off", ws="none", timeout_graceful_shutdown=1
        )
    )
    thread = threading.Thread(target=server.run, name="site")
    thread.start()
    try:
        yield Site(f"http://127.0.0.1:{_port_of(server, thread)}", store, clock)
    finally:
        server.should_exit = True
        thread.join(20)


def _port_of(server: uvicorn.Server, thread: threading.Thread) -> int:
    deadline = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < deadline, "the server takes too long to start"
        time.sleep(0.01)
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port
