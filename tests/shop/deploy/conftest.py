"""Fixtures of the deployment tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.shop.deploy.collector import Longpole, collector


@pytest.fixture
def longpole() -> Iterator[Longpole]:
    """A collector."""
    with collector() as told:
        yield told
