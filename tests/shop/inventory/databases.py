"""The databases that a claim about stored things has to hold on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from shop.chassis.ports import Database
from tests.shop.database.benches import bench
from tests.shop.inventory.stage import Stage

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.full)]


@contextmanager
def opened(
    request: pytest.FixtureRequest, stage: Stage, service: str, schema: Sequence[str]
) -> Iterator[Database]:
    """A service's database of the kind that `request` is for, empty but for its schema. The
    fixture `postgres_url` is asked for only where it is needed."""
    with bench(
        request.param, stage.folder, lambda: str(request.getfixturevalue("postgres_url"))
    ) as made:
        database = stage.chassis(service, database_url=made.url).database(schema)
        yield database
        database.close()
