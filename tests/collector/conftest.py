"""One collector for all tests of this room that do not need their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.collector.serving import Served, serve


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Served]:
    with serve() as served:
        yield served


@pytest.fixture
def server(shared_server: Served) -> Iterator[Served]:
    """The shared collector with an empty sink."""
    shared_server.sink.clear()
    yield shared_server
    assert shared_server.sink.failure is None
