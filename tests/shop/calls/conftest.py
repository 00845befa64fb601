"""What the tests of calls share: telemetry that is looked at, and callers that are closed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.shop.calls.seen import Seen


@pytest.fixture
def seen() -> Iterator[Seen]:
    """Providers of its own for each test, and what they recorded."""
    telemetry = Seen()
    yield telemetry
    telemetry.close()
