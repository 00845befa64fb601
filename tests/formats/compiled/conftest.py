"""Nobody compiles in the middle of a test."""

from __future__ import annotations

import pytest

from longpole.formats.compiled.readiness import load


@pytest.fixture(scope="session", autouse=True)
def loops() -> None:
    assert load()
