"""What is answered while the application is still being imported."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from longpole.dashboards.front_door import FrontDoor
from longpole.dashboards.security import Scope, answer


async def _app(scope: Scope, receive: Any, send: Any) -> None:
    await answer(send, 200, b"{}")


async def _nothing() -> Any:
    raise AssertionError("nothing of the body is needed")


def ask(door: FrontDoor, path: str, query: bytes = b"") -> tuple[int, bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "GET", "path": path, "query_string": query}
    asyncio.run(door(scope, _nothing, send))
    return sent[0]["status"], sent[1]["body"]


def door(accepting: bool = True, replayed: bool = True, patience: float = 0.0) -> FrontDoor:
    return FrontDoor(lambda: accepting, lambda: replayed, patience)


def test_probes_are_answered_before_the_application_is_there() -> None:
    assert ask(door(), "/healthz")[0] == 200
    assert ask(door(), "/readyz")[0] == 200
    assert ask(door(), "/readyz", b"full")[0] == 503


def test_a_draining_server_is_alive_but_not_ready() -> None:
    assert ask(door(accepting=False), "/healthz")[0] == 200
    assert ask(door(accepting=False), "/readyz")[0] == 503


def test_full_readiness_waits_for_the_replay() -> None:
    replaying, done = door(replayed=False), door()
    for each in (replaying, done):
        each.open(_app)
    assert ask(replaying, "/readyz", b"full")[0] == 503
    assert ask(replaying, "/readyz")[0] == 200
    assert ask(done, "/readyz", b"full=1")[0] == 200


def test_a_question_waits_for_the_application() -> None:
    waiting = door(patience=30)
    opener = threading.Timer(0.05, lambda: waiting.open(_app))
    opener.start()
    assert ask(waiting, "/traces") == (200, b"{}")
    opener.join()


def test_patience_ends_with_503_and_a_failure_with_500() -> None:
    assert ask(door(), "/traces")[0] == 503
    broken = door(patience=30)
    broken.fail("no pages")
    status, body = ask(broken, "/traces")
    assert (status, b"no pages" in body) == (500, True)
