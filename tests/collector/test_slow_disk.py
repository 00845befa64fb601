"""F-SLOW: a disk that takes 200 ms for each fdatasync. Acknowledgements are late, none is early,
and requests that wait share what they wait for."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from longpole.model.clock import SystemClock
from longpole.model.signals import Signal
from longpole.storage.duckdb.store import DuckDBStore, StoreSettings
from tests.collector.serving import Sink, serve
from tests.flow.requests import batch

SYNC_SECONDS = 0.2
CLIENTS, REQUESTS = 16, 4
DEADLINE_SECONDS = 10.0  # of the exporters of SDKs


@pytest.mark.full
def test_a_slow_disk_makes_answers_late_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[float] = []
    sync: Callable[[int], None] = os.fdatasync

    def slowly(fd: int) -> None:
        time.sleep(SYNC_SECONDS)  # the fault itself
        syncs.append(time.monotonic())
        sync(fd)

    store = DuckDBStore.open(StoreSettings(tmp_path), SystemClock())
    monkeypatch.setattr(os, "fdatasync", slowly)
    with serve(cast(Sink, _Gated(store))) as server, ThreadPoolExecutor(CLIENTS) as pool:

        def send(seed: int) -> tuple[int, float, float]:
            body, _ = batch(random.Random(seed))
            started = time.monotonic()
            code = server.post(body).status_code
            return code, started, time.monotonic()

        answers = list(pool.map(send, range(CLIENTS * REQUESTS)))
    assert {code for code, _, _ in answers} == {200}
    for _, started, ended in answers:
        assert any(started < done <= ended for done in syncs), "acknowledged before its sync"
        assert ended - started < DEADLINE_SECONDS
    assert len(syncs) < len(answers), "requests that wait share a sync"
    assert store.waiting_bytes == 0
    store.load()
    assert store.status().record_counts[Signal.TRACES] == 3 * len(answers)
    store.close()


class _Gated:
    """A store, with the attribute of `Sink` that `serve` looks at."""

    gate = None

    def __init__(self, store: DuckDBStore) -> None:
        self.submit = store.submit
        self.waiting_bytes = 0
