from __future__ import annotations

import threading
from pathlib import Path

import duckdb
import pytest

from longpole.model.clock import ManualClock
from longpole.storage.duckdb.manifest import SegmentEntry
from longpole.storage.duckdb.retention import expired
from tests.storage.duckdb.traffic import START, contents, opened, send, spans

DAY = 86_400


def segment(number: int, stored_unix_nano: int, byte_count: int = 10) -> SegmentEntry:
    return SegmentEntry(number, "spans", 1, byte_count, 1, 1, 0, 0, stored_unix_nano)


def files(path: Path) -> set[str]:
    return {file.name for file in (path / "segments").iterdir()}


def test_segments_older_than_the_limit_expire() -> None:
    entries = [segment(1, 100), segment(2, 200), segment(3, 300)]
    assert expired(entries, 200, 10**9) == {1: "age"}


def test_the_oldest_segments_make_room_for_the_rest() -> None:
    entries = [segment(n, n, byte_count=10) for n in (1, 2, 3, 4)]
    assert expired(entries, 0, 25) == {1: "size", 2: "size"}
    assert expired(entries, 0, 40) == {}


def test_expired_data_is_gone_from_disk_and_answers(tmp_path: Path) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path, clock, retain_days=7.0)
    send(store, spans([1]))
    store.seal()
    clock.advance(3 * DAY)
    send(store, spans([2]))
    store.seal()
    store.tick()
    assert set(contents(store, [1, 2])) == {1, 2}
    clock.advance(4.5 * DAY)
    store.tick()
    assert set(contents(store, [1, 2])) == {2}
    assert files(tmp_path) == {"spans-2.duckdb"}
    clock.advance(10)
    assert store.quiet_traces(9, []).traces[0].trace_id == 2
    assert store.pending_traces() == 1, "a trace whose spans expired is not pending"
    store.close()


class _JumpingClock(ManualClock):
    def __init__(self) -> None:
        super().__init__(START)
        self.jump_ns = 0

    def now_unix_nano(self) -> int:
        return super().now_unix_nano() + self.jump_ns


@pytest.mark.parametrize("years", [-1, 1])
def test_a_clock_set_wrong_deletes_nothing(tmp_path: Path, years: int) -> None:
    clock = _JumpingClock()
    store = opened(tmp_path, clock)
    send(store, spans([1]))
    store.seal()
    clock.jump_ns = years * 365 * DAY * 10**9
    clock.advance(60)
    store.tick()
    assert set(contents(store, [1])) == {1}
    store.close()


def test_a_query_keeps_its_files_until_its_lease_ends(tmp_path: Path) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path, clock, compact_files=2)
    for trace_id in (1, 2):
        send(store, spans([trace_id]))
        store.seal()
    with store.lease() as lease:
        cursor = lease.cursor()
        store.tick()
        assert store.status().segment_count == 1
        old = {s.path.name for s in lease.snapshot.segments}
        assert old == {"spans-1.duckdb", "spans-2.duckdb"}
        assert old < files(tmp_path)
        rows = sum(
            cursor.execute(f"SELECT count(*) FROM {s.alias}.spans").fetchall()[0][0]
            for s in lease.snapshot.segments
        )
        assert rows == 6
    assert files(tmp_path) == {"spans-3.duckdb"}
    store.close()


def test_a_query_that_holds_expired_files_too_long_is_interrupted(tmp_path: Path) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path, clock, compact_files=2, lease_grace_seconds=60)
    for trace_id in (1, 2):
        send(store, spans([trace_id]))
        store.seal()
    began = threading.Event()
    outcome: list[object] = []

    def endless() -> None:
        with store.lease() as lease:
            cursor = lease.cursor()
            began.set()
            try:
                cursor.execute(
                    "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"
                )
                outcome.append(cursor.fetchall())
            except duckdb.InterruptException as error:
                outcome.append(error)
            outcome.append(lease.is_cancelled)

    thread = threading.Thread(target=endless)
    thread.start()
    assert began.wait(10)
    store.tick()
    assert files(tmp_path) == {"spans-1.duckdb", "spans-2.duckdb", "spans-3.duckdb"}
    clock.advance(61)
    while thread.is_alive():  # an interrupt that comes before the query starts is forgotten
        with store._leases._lock:
            held = list(store._leases._open)
        store.tick()
        for lease in held:
            if lease.is_cancelled:
                lease.cancel()
        thread.join(0.05)
    assert isinstance(outcome[0], duckdb.InterruptException)
    assert outcome[1] is True
    assert files(tmp_path) == {"spans-3.duckdb"}
    store.close()
