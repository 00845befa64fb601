"""A heartbeat whose answers make no sense: what was last heard goes on."""

from __future__ import annotations

import json
import logging
import threading
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from shop.chassis.discovery import RegistryDiscovery
from shop.chassis.heartbeat import Heartbeat, Held
from shop.chassis.ports import Instance
from shop.chassis.switches import HeldFaults, HeldFlags
from tests.shop.runtime.serving import served

ME = Instance("asker", "asker-1", "1", "node-a", "127.0.0.1:1")
GOOD: dict[str, Any] = {
    "instances": [
        {
            "service": "asker",
            "instance_id": "asker-1",
            "version": "1",
            "host_name": "node-a",
            "http": "127.0.0.1:1",
            "from_a_newer_registry": 1,
        }
    ],
    "flags": {"ranking": {"variants": {"on": 1}}},
    "faults": {"payment-slow": {"seconds": 2.0}},
    "revision": 7,
}
BAD = [
    b"",
    b"<html>",
    b"[]",
    b"null",
    b"{}",
    b'{"instances": [], "flags": {}, "faults": {}}',
    b'{"instances": [{}], "flags": {}, "faults": {}, "revision": 8}',
    b'{"instances": [], "flags": {"a": 1}, "faults": {}, "revision": 8}',
    b'{"instances": [], "flags": {"a": {"variants": {"on": NaN}}}, "faults": {}, "revision": 8}',
    b'{"instances": [], "flags": {}, "faults": [], "revision": 8}',
    b'{"instances": [], "flags": {}, "faults": {}, "revision": "soon"}',
    b"\xff\xfe",
]


class Oracle:
    """A registry that says what it is told to, one answer after the other; then good ones."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = answers
        self.beats: list[dict[str, Any]] = []
        self.is_done = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            told = await Request(scope, receive).body()
            self.beats += [json.loads(told)] if told else []
            if not self._answers:
                self.is_done.set()
            body = self._answers.pop(0) if self._answers else b"{}"
            await Response(body, media_type="application/json")(scope, receive, send)


def test_an_answer_that_makes_no_sense_changes_nothing_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    held = Held(RegistryDiscovery(), HeldFaults(), HeldFlags())
    oracle = Oracle([json.dumps(GOOD).encode(), *BAD])
    with caplog.at_level(logging.INFO, "shop.heartbeat"), served(oracle) as url:
        heartbeat = Heartbeat(url, ME, held, seconds=0.01)
        heartbeat.start()
        assert oracle.is_done.wait(10), "the heartbeat stopped"
        heartbeat.stop()

    assert held.faults.active("payment-slow") == {"seconds": 2.0}
    assert held.flags.variant("ranking", "off") == "on"
    assert list(held.discovery.instances("asker")) == [ME]
    told = [each.getMessage() for each in caplog.records if "no sense" in each.getMessage()]
    assert len(told) == 1


def test_it_is_logged_again_after_a_good_answer(caplog: pytest.LogCaptureFixture) -> None:
    good = json.dumps(GOOD).encode()
    oracle = Oracle([b"[]", good, b"[]", b"[]", good])
    with served(oracle) as url:
        heartbeat = Heartbeat(
            url, ME, Held(RegistryDiscovery(), HeldFaults(), HeldFlags()), seconds=0.01
        )
        heartbeat.start()
        assert oracle.is_done.wait(10)
        heartbeat.stop()

    told = [each.getMessage() for each in caplog.records if "no sense" in each.getMessage()]
    assert len(told) == 3  # the one after the last answer of the list, too


def test_what_faults_did_is_told_with_the_next_beat_and_again_when_nobody_heard() -> None:
    held = Held(RegistryDiscovery(), HeldFaults(), HeldFlags())
    heartbeat = Heartbeat("http://127.0.0.1:9", ME, held, seconds=60)
    held.faults.acted("payment-slow", 7)
    heartbeat.start()  # Nobody listens there.
    heartbeat.stop()

    oracle = Oracle([json.dumps(GOOD).encode()])
    with served(oracle) as url:
        again = Heartbeat(url, ME, held, seconds=60)
        again.start()
        again.stop()
    assert oracle.beats[0]["acted"] == {"payment-slow": [f"{7:032x}"]}
    assert held.faults.take_noted() == {}
