"""Every test of this folder runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shop.database.benches import Bench, bench


@pytest.fixture(params=["sqlite", "postgresql"])
def at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with bench(request.param, tmp_path, lambda: request.getfixturevalue("postgres_url")) as made:
        yield made


@pytest.fixture
def at_sqlite(tmp_path: Path) -> Iterator[Bench]:
    with bench("sqlite", tmp_path, lambda: "") as made:
        yield made


@pytest.fixture
def at_postgresql(tmp_path: Path, postgres_url: str) -> Iterator[Bench]:
    with bench("postgresql", tmp_path, lambda: postgres_url) as made:
        yield made
