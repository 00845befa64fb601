"""What the tests of messaging share: each of them runs against every broker."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shop.chassis.http_events import HttpTransport
from shop.chassis.local_events import LocalTransport
from shop.chassis.message_transport import Transport
from shop.chassis.nats_events import NatsTransport
from tests.shop.messaging.brokers import embedded_broker, nats_server
from tests.shop.messaging.members import House


@pytest.fixture(scope="session")
def embedded_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An embedded broker for tests that leave it alone."""
    with embedded_broker(tmp_path_factory.mktemp("broker")) as server:
        yield server.url


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A nats-server for tests that leave it alone."""
    with nats_server(tmp_path_factory.mktemp("nats")) as server:
        yield server.url


@pytest.fixture(params=["local", "embedded", "nats"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """Members over each broker in turn; over `local` only one at a time."""
    yield from _house(request.param, request, tmp_path)


@pytest.fixture(params=["embedded", "nats"])
def shared_house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """Members over each broker that processes can share."""
    yield from _house(request.param, request, tmp_path)


def _house(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[House]:
    url = "" if kind == "local" else request.getfixturevalue(f"{kind}_url")

    def open_transport() -> Transport:
        if kind == "local":
            return LocalTransport(folder / "events.db")
        return HttpTransport(url) if kind == "embedded" else NatsTransport(url)

    members = House(open_transport, kind)
    yield members
    members.close()


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    """A topic of the test's own."""
    name = request.node.name.lower().removeprefix("test_")
    return re.sub(r"[^a-z0-9]+", "-", name)[-56:].strip("-")
