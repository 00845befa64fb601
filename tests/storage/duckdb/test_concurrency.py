from __future__ import annotations

import threading
from pathlib import Path

import pyarrow as pa
import pytest

from longpole.model.clock import ManualClock, SystemClock
from longpole.storage.duckdb.store import DuckDBStore, StoreSettings
from tests.storage.duckdb.test_settlement import explain, visible
from tests.storage.duckdb.traffic import START, contents, opened, row_counts, send, spans


def test_every_snapshot_holds_each_acknowledged_span_once_through_seals_and_merges(
    tmp_path: Path,
) -> None:
    store = opened(tmp_path, SystemClock(), seal_rows=400, compact_files=2)
    acknowledged = 0
    done = threading.Event()
    errors: list[BaseException] = []
    checks = 0

    def write() -> None:
        nonlocal acknowledged
        try:
            for number in range(60):
                first = number * 10 + 1
                send(store, spans(range(first, first + 10), seed=number))
                acknowledged += 30
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    def read() -> None:
        nonlocal checks
        try:
            while not done.is_set():
                least = acknowledged
                with store.lease() as lease:
                    cursor = lease.cursor()
                    ids = lease.snapshot.hot["spans"].column("row_id").to_pylist()
                    for segment in lease.snapshot.segments_of("spans"):
                        rows = cursor.execute(f"SELECT row_id FROM {segment.alias}.spans")
                        ids += [row[0] for row in rows.fetchall()]
                assert len(ids) == len(set(ids))
                assert len(ids) >= least
                checks += 1
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write), threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    while not done.wait(0.01):
        store.tick()
    for thread in threads:
        thread.join(20)
    assert errors == []
    assert checks > 3
    assert row_counts(store)["traces"] == 1800
    assert store.status().segment_count >= 1
    store.close()
    again = opened(tmp_path)
    assert row_counts(again)["traces"] == 1800
    assert len({p.name for p in (tmp_path / "segments").iterdir()}) == again.status().segment_count
    again.close()


def test_a_merge_does_not_keep_in_memory_what_is_sealed_while_it_goes_on(tmp_path: Path) -> None:
    seen: list[pa.Table] = []

    def at(step: str) -> None:
        if step == "merge started":
            (lease,) = store._leases._open
            seen.extend(lease.snapshot.hot.values())
            assert lease.snapshot.segments_of("spans")

    store = opened(tmp_path, compact_files=2, at=at)
    for number in range(2):
        send(store, spans([number + 1], seed=number))
        store.seal()
    send(store, spans([7], seed=7))
    store.tick()
    assert seen
    assert all(table.num_rows == 0 for table in seen)
    store.close()


def test_a_journal_bigger_than_memory_is_sealed_while_it_is_replayed(tmp_path: Path) -> None:
    store = DuckDBStore.open(StoreSettings(tmp_path), ManualClock(START))
    store.load()
    for number in range(12):
        send(store, spans(range(number * 20 + 1, number * 20 + 21), seed=number))
    everything = range(1, 300)
    sent = contents(store, everything)
    store._chores.seal_at_close = lambda: None  # type: ignore[method-assign]
    store.close()
    late = DuckDBStore.open(StoreSettings(tmp_path, seal_rows=100), ManualClock(START))
    send(late, spans([299], seed=77))  # arrives before the replay, numbered after it
    new = contents(late, [299])
    late.load()
    assert late.status().segment_count >= 3
    assert contents(late, everything) == sent | new
    assert len(late._state.queue) == 241
    late.close()
    again = opened(tmp_path)
    assert contents(again, everything) == sent | new
    again.close()


@pytest.mark.parametrize("is_settled_first", [True, False])
def test_settling_goes_on_while_a_seal_writes(tmp_path: Path, is_settled_first: bool) -> None:
    clock = ManualClock(START)

    def at(step: str) -> None:
        if step == "written" and not during:
            during.append(step)
            whole = store.quiet_traces(9, [])
            store.put_derived(explain(whole))
            send(store, spans([3], seed=9))

    during: list[str] = []
    store = opened(tmp_path, clock, at)
    send(store, spans([1, 2], seed=1))
    clock.advance(6)
    if is_settled_first:
        store.put_derived(explain(store.quiet_traces(9, [])))
        send(store, spans([1], seed=2))
        clock.advance(6)
    store.seal()
    assert during
    latest = [(1, 2), (2, 1)] if is_settled_first else [(1, 1), (2, 1)]
    assert visible(store) == latest
    assert set(store._state.queue.trace_ids()) == {3}
    store.close()
    again = opened(tmp_path, clock)
    assert visible(again) == latest
    assert set(again._state.queue.trace_ids()) == {3}
    again.close()


def test_closing_in_the_middle_of_loading_stops_it(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for number in range(20):
        send(store, spans([number + 1]))
    sent = contents(store, range(1, 21))
    store._chores.seal_at_close = lambda: None  # type: ignore[method-assign]
    store.close()
    half = DuckDBStore.open(StoreSettings(tmp_path), ManualClock(START))
    decoder = half._loading._decoder
    reached, released = threading.Event(), threading.Event()

    def slow(signal: object, body: bytes) -> object:
        reached.set()
        assert released.wait(20)
        return decoder(signal, body)  # type: ignore[arg-type]

    half._loading._decoder = slow  # type: ignore[assignment]
    loading = threading.Thread(target=half.load)
    loading.start()
    assert reached.wait(20)
    closing = threading.Thread(target=half.close)
    closing.start()
    while not half._is_closing.is_set():
        closing.join(0.001)
    released.set()
    closing.join(20)
    loading.join(20)
    again = opened(tmp_path)
    assert contents(again, range(1, 21)) == sent
    again.close()
