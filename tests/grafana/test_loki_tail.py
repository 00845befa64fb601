"""Live tail of the Loki dialect, over real sockets behind the guard of the web port."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from longpole.analyzer.logql.expressions import Lines
from longpole.analyzer.logql.parsing import parse
from longpole.cli.web_server import WebServer
from longpole.dashboards.security import WebGuard
from longpole.formats.rows import telemetry_of_logs
from longpole.grafana.loki import tail
from longpole.grafana.loki.app import create_loki_app
from longpole.grafana.loki.tail import MOST_TAILS, Tail
from longpole.model.clock import ManualClock
from longpole.model.log import LogRecord
from longpole.model.secret import Secret
from longpole.model.span import Resource
from longpole.storage.memory import MemoryStore
from tests.grafana.websocket_client import Refused, connected

SECOND = 10**9
CART = '{service_name="cart"}'


class Tailed:
    """A server over a store in memory, with a clock that is set by hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock, 0.0, 0.0)
        app = create_loki_app(self.store, self.clock, tail_pause_seconds=0.01)
        listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = listener.getsockname()
        self.server = WebServer(WebGuard(app, "127.0.0.1", (), Secret("token")), listener)

    def log(self, text: str, ago: float = 0.0, service: str = "cart", times: int = 1) -> str:
        """Store a line that is so many seconds old; its time in nanoseconds."""
        at = self.clock.now_unix_nano() - round(ago * SECOND)
        resource = Resource({"service.name": service})
        record = LogRecord(at, at, 7, 8, 9, "", text, service_name=service, resource=resource)
        self.store.submit(telemetry_of_logs([record] * times), self.clock.now_unix_nano()).result()
        return str(at)

    def follow(self, query: str = CART, **asked: Any) -> Any:
        target = f"/loki/api/v1/tail?{urlencode({'query': query, **asked})}"
        return connected(self.address, target, Authorization="Bearer token")


@pytest.fixture
def tailed() -> Iterator[Tailed]:
    made = Tailed()
    made.server.start()
    yield made
    made.server.stop()


def lines(message: Any) -> list[tuple[str, str]]:
    """As Grafana decodes it: streams of texts, and pairs of two texts."""
    assert set(message) <= {"streams", "dropped_entries"}
    found = []
    for stream in message["streams"]:
        assert set(stream) == {"stream", "values"}
        assert all(isinstance(value, str) for value in stream["stream"].values())
        for at, line in stream["values"]:
            found.append((at, line))
    return found


def test_lines_come_once_in_order_and_late_ones_too(tailed: Tailed) -> None:
    first, second = tailed.log("one", 20), tailed.log("two", 10)
    tailed.log("of another service", service="web")
    with tailed.follow() as client:
        message = client.message()
        assert lines(message) == [(first, "one"), (second, "two")]
        assert message["streams"][0]["stream"]["service_name"] == "cart"
        assert message["streams"][0]["stream"]["trace_id"] == f"{7:032x}"
        late = tailed.log("late", 15)
        assert lines(client.message()) == [(late, "late")]
        tailed.clock.advance(5)
        # The same text at the same time is another line.
        now = tailed.log("now", 0.5, times=2)
        assert lines(client.message()) == [(now, "now"), (now, "now")]


def test_a_filter_and_a_limit_of_what_was_there_before_are_kept(tailed: Tailed) -> None:
    for number in range(5):
        tailed.log(f"failed {number}", 9 - number)
        tailed.log(f"fine {number}", 9 - number)
    with tailed.follow('{service_name="cart"} |= "failed"', limit=2) as client:
        assert [text for _, text in lines(client.message())] == ["failed 3", "failed 4"]
        tailed.log("fine again", 0.5)
        tailed.log("failed again", 0.5)
        assert [text for _, text in lines(client.message())] == ["failed again"]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"query": "{"}, 400), ({"query": ""}, 400), ({"delay_for": "6"}, 400),
        ({"query": 'rate({service_name="cart"}[1m])'}, 400), ({"limit": "x"}, 400),
        ({"start": "yesterday"}, 400),
    ],
)  # fmt: skip
def test_what_cannot_be_tailed_is_refused_in_words(
    tailed: Tailed, asked: dict[str, str], status: int
) -> None:
    with pytest.raises(Refused) as refused, tailed.follow(**asked):
        pass
    assert refused.value.status == status
    assert refused.value.text


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer token", "Origin": "http://elsewhere.example"}]
)
def test_nobody_tails_without_the_token_or_from_a_foreign_page(
    tailed: Tailed, headers: dict[str, str]
) -> None:
    target = f"/loki/api/v1/tail?{urlencode({'query': CART})}"
    with pytest.raises(Refused) as refused, connected(tailed.address, target, **headers):
        pass
    assert refused.value.status == 403


def test_there_are_only_so_many_tails(tailed: Tailed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "MOST_TAILS", 1)
    tailed.log("one")
    with tailed.follow(delay_for=0, start=1) as client:
        tailed.clock.advance(1)
        assert lines(client.message())
        with pytest.raises(Refused) as refused, tailed.follow():
            pass
    assert refused.value.status == 429
    assert MOST_TAILS > 1


def test_a_client_that_was_slow_hears_what_it_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "MOST_LINES", 3)
    tailed = Tailed()
    query = parse(CART)
    assert isinstance(query, Lines)
    one = Tail(tailed.store, query, 0, 10)
    assert one.look(tailed.clock.now_unix_nano(), lambda: 0.0) is None
    for number in range(5):
        tailed.log(f"line {number}", -number)
    tailed.clock.advance(300)
    message = one.look(tailed.clock.now_unix_nano(), lambda: 0.0)
    assert message is not None
    assert [text for _, text in lines(message)] == ["line 2", "line 3", "line 4"]
    missed = [int(entry["timestamp"]) for entry in message["dropped_entries"]]
    assert len(missed) == 2
    assert max(missed) < int(lines(message)[0][0])
    assert message["dropped_entries"][0]["labels"]["service_name"] == "cart"
    assert one.look(tailed.clock.now_unix_nano(), lambda: 0.0) is None
    tailed.server.stop()
