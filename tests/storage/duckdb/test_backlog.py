"""What waits to be sealed or explained is bounded: more is refused until there is room."""

from __future__ import annotations

from pathlib import Path

import pytest

from longpole.formats.rows import telemetry_of_spans
from longpole.model.clock import ManualClock
from longpole.storage.duckdb.store import DuckDBStore, StoreSettings
from longpole.storage.ports import Overloaded
from tests.storage.span_examples import NOON, settle, span


def send(store: DuckDBStore, trace: int) -> None:
    store.submit(telemetry_of_spans([span(trace, 1)]), NOON + trace).result()


def test_rows_that_wait_to_be_sealed_are_bounded(tmp_path: Path) -> None:
    settings = StoreSettings(tmp_path, seal_rows=1, max_unsealed_rows=5)
    store = DuckDBStore.open(settings, ManualClock())
    store.load()
    for trace in range(1, 6):
        send(store, trace)
    with pytest.raises(Overloaded, match="5 rows of 0 MiB wait to be sealed") as refused:
        send(store, 6)
    assert (refused.value.reason, refused.value.retry_after_seconds) == ("unsealed", 1)
    store.seal()
    send(store, 6)
    store.close()


def test_traces_that_wait_to_be_explained_are_bounded(tmp_path: Path) -> None:
    clock = ManualClock()
    store = DuckDBStore.open(StoreSettings(tmp_path, max_pending_traces=3), clock)
    store.load()
    for trace in range(1, 4):
        send(store, trace)
    with pytest.raises(Overloaded, match="3 traces wait to be explained") as refused:
        send(store, 4)
    assert refused.value.reason == "unexplained"
    settle(store, clock)
    send(store, 4)
    store.close()
