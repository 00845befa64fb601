"""The DuckDB store keeps the promises hot, sealed, and after it was closed and opened again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from longpole.model.clock import ManualClock
from longpole.storage.duckdb.store import DuckDBStore, StoreSettings
from longpole.storage.ports import Store
from tests.storage.conformance import Disturb, StoreConformance


class Reopened:
    """The store of a data directory, through every reopening."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        self._folder, self._clock = folder, clock
        self.store = self._open()

    def _open(self) -> DuckDBStore:
        store = DuckDBStore.open(StoreSettings(data_dir=self._folder), self._clock)
        store.load()
        return store

    def reopen(self) -> Store:
        self.store.close()
        self.store = self._open()
        return self.store

    def seal(self) -> Store:
        self.store.seal()
        return self.store

    def seal_and_reopen(self) -> Store:
        self.store.seal()
        return self.reopen()


class OnDuckDB(StoreConformance):
    @pytest.fixture
    def reopened(self, tmp_path: Path, clock: ManualClock) -> Iterator[Reopened]:
        reopened = Reopened(tmp_path / "data", clock)
        yield reopened
        reopened.store.close()

    @pytest.fixture
    def store(self, reopened: Reopened) -> Store:
        return reopened.store


class TestHot(OnDuckDB):
    @pytest.fixture
    def disturb(self, reopened: Reopened) -> Disturb:
        return lambda: reopened.store


class TestSealedAndReopened(OnDuckDB):
    @pytest.fixture
    def disturb(self, reopened: Reopened) -> Disturb:
        return reopened.seal_and_reopen


@pytest.mark.full
class TestSealed(OnDuckDB):
    @pytest.fixture
    def disturb(self, reopened: Reopened) -> Disturb:
        return reopened.seal


@pytest.mark.full
class TestReopened(OnDuckDB):
    @pytest.fixture
    def disturb(self, reopened: Reopened) -> Disturb:
        return reopened.reopen
