"""The check behind `bench/ingest.py` sees what is lost, doubled or too much."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.ingesting.exactly_once import OnDisk, on_disk

from longpole.cli.loadgen.batches import Batches
from longpole.cli.loadgen.plan import Plan
from longpole.cli.loadgen.run import Load
from longpole.formats import otlp
from longpole.model.clock import ManualClock
from longpole.model.signals import Signal
from longpole.storage.duckdb.store import DuckDBStore, StoreSettings


def stored(folder: Path, plan: Plan, numbers: list[int]) -> None:
    clock = ManualClock()
    store = DuckDBStore.open(StoreSettings(data_dir=folder), clock)
    store.load()
    batches = Batches(plan, 0, 14)
    for moment, number in enumerate(numbers):
        # A second later, so that what is sent twice is no repeat of the same bytes.
        body = batches.request(number, 1_790_000_000_000_000_000 + (moment << 24))
        store.submit(otlp.decode(plan.signal, body), clock.now_unix_nano()).result()
    store.close()


@pytest.mark.parametrize("signal", list(Signal))
def test_each_acknowledged_record_is_looked_for(tmp_path: Path, signal: Signal) -> None:
    plan = Plan("", signal, batch=7)
    stored(tmp_path, plan, [0, 1, 1, 3])
    # 0 is there, 1 twice, 2 is lost; 3 was stored, but its answer did not get through.
    found = on_disk(tmp_path, Load(plan, frozenset({0, 1, 2}), frozenset({3}), (), 1.0))
    rows, sizes = found.rows_by_kind, found.bytes_by_kind
    assert found == OnDisk(28, 7, 7, 7, rows, sizes)
    assert set(rows.values()) == {28}
    assert sizes.keys() == rows.keys()
