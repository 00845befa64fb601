"""What the tests of the gateway share: a stage, a shop behind the door, and a way in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.shop.gateway.backends_on_stage import Shop
from tests.shop.gateway.door import front_door
from tests.shop.gateway.recorded import Recorded, recorded
from tests.shop.inventory.stage import Stage, staged


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as made:
        yield made


@pytest.fixture
def spans() -> Iterator[Recorded]:
    with recorded() as seen:
        yield seen


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def door(stage: Stage, shop: Shop) -> Iterator[httpx.Client]:
    with front_door(stage, shop) as client:
        yield client
