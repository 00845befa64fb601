"""A PostgreSQL server for all tests of the shop that ask for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.shop.database.postgres import postgres_server


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Where the server is; skips without one. Making one takes seconds, so there is one for a run:
    tests take a schema of their own (`bench`)."""
    with postgres_server() as url:
        yield url
