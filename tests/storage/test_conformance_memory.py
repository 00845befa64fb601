from __future__ import annotations

import pytest

from longpole.model.clock import ManualClock
from longpole.storage.memory import MemoryStore
from longpole.storage.ports import Store, Unsupported
from tests.storage.conformance import Disturb, StoreConformance


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def store(self, clock: ManualClock) -> Store:
        return MemoryStore(clock)

    @pytest.fixture
    def disturb(self, store: Store) -> Disturb:
        return lambda: store

    def test_sql_is_unsupported(self, store: Store) -> None:
        with pytest.raises(Unsupported):
            store.sql("SELECT 1")
