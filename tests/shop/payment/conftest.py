"""What the tests of payment-service share: databases of both kinds, and a till."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shop.database.benches import Bench, bench
from tests.shop.payment.till import Till, open_till


@pytest.fixture(params=["sqlite", "postgresql"])
def at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with bench(request.param, tmp_path, lambda: request.getfixturevalue("postgres_url")) as made:
        yield made


@pytest.fixture
def at_sqlite(tmp_path: Path) -> Iterator[Bench]:
    with bench("sqlite", tmp_path, lambda: "") as made:
        yield made


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    with open_till(tmp_path) as made:
        yield made
