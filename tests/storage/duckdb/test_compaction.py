from __future__ import annotations

from pathlib import Path

import pytest

from longpole.model.clock import ManualClock
from longpole.storage.duckdb import merge, segment_writer
from longpole.storage.duckdb.compaction import merge_group
from longpole.storage.duckdb.manifest import SegmentEntry
from tests.storage.duckdb.traffic import (
    START,
    contents,
    logs,
    metrics,
    opened,
    row_counts,
    send,
    spans,
)


def segment(number: int, rows: int, kind: str = "spans") -> SegmentEntry:
    return SegmentEntry(number, kind, rows, rows, number, number, 0, 0, number)


def ids(group: tuple[SegmentEntry, ...]) -> list[int]:
    return [entry.segment_id for entry in group]


def test_the_oldest_files_of_one_kind_and_size_are_merged() -> None:
    entries = [segment(n, 5000) for n in range(9)] + [segment(20, 5000, "logs")]
    assert ids(merge_group(entries, 8, 10**6)) == list(range(8))
    assert merge_group(entries[:7], 8, 10**6) == ()


def test_small_files_are_not_merged_into_big_ones_again_and_again() -> None:
    entries = [segment(0, 4_000_000), *(segment(n, 5000) for n in range(1, 8))]
    assert merge_group(entries, 8, 10**9) == ()


def test_a_merge_never_passes_the_largest_size() -> None:
    assert merge_group([segment(n, 700_000) for n in range(8)], 8, 5_000_000) == ()


@pytest.mark.parametrize("chunk_rows", [pytest.param(7, marks=pytest.mark.full), 100, 10**6])
def test_a_merge_by_ranges_keeps_every_row_in_order(
    tmp_path: Path, chunk_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "row_group_rows", lambda kind: chunk_rows)
    monkeypatch.setattr(segment_writer, "row_group_rows", lambda kind: chunk_rows + 1)
    clock = ManualClock(START)
    store = opened(tmp_path, clock, compact_files=3)
    everything = [(1 << 64) * n + 5 for n in range(1, 20)] + list(range(1, 20))
    for number in range(3):
        send(
            store,
            spans(everything, seed=number),
            logs([0, *everything], seed=number),
            metrics(50, seed=number),
        )
        store.seal()
    sent, counts = contents(store, everything), row_counts(store)
    keys = dict(store.attribute_keys())
    for _ in range(3):
        store.tick()
    assert store.status().segment_count == 3
    assert (contents(store, everything), row_counts(store)) == (sent, counts)
    assert dict(store.attribute_keys()) == keys
    with store.lease() as lease:
        cursor = lease.cursor()
        (whole,) = lease.snapshot.segments_of("spans")
        rows = cursor.execute(f"SELECT trace_hi, trace_lo FROM {whole.alias}.spans").fetchall()
        assert rows == sorted(rows)
        assert all(whole.bloom.may_contain(trace_id) for trace_id in everything)
        for alias in (s.alias for s in lease.snapshot.segments):
            doubled = cursor.execute(
                f"SELECT resource_id FROM {alias}.resources GROUP BY ALL HAVING count(*) > 1"
            ).fetchall()
            assert doubled == []
    store.close()


def test_equal_spans_of_two_segments_are_dropped_when_they_meet(tmp_path: Path) -> None:
    store = opened(tmp_path, compact_files=2)
    send(store, spans([1, 2], seed=1))
    store.seal()
    sent = contents(store, [1, 2])
    send(store, spans([1, 2, 3], seed=1))
    store.seal()
    assert row_counts(store)["traces"] == 15
    store.tick()
    assert row_counts(store)["traces"] == 9
    assert contents(store, [1, 2]) == sent
    assert store.status().duplicate_spans_dropped == 6
    store.close()


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_a_day_of_ten_spans_a_second_ends_in_few_files(tmp_path: Path) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path, clock)
    for period in range(144):
        trace_ids = range(period * 2000 + 1, period * 2000 + 2001)
        send(store, spans(trace_ids, seed=period), logs(trace_ids, seed=period))
        send(store, metrics(600, seed=period))
        clock.advance(600)
        store.tick()
        assert store.status().hot_rows == 0
    for _ in range(50):
        clock.advance(1)
        store.tick()
    status = store.status()
    assert row_counts(store) == {"traces": 864_000, "logs": 288_000, "metrics": 86_400}
    files = list((tmp_path / "segments").iterdir())
    print(f"{len(files)} files, {status.segment_bytes / 864_000:.1f} bytes a span in all")
    assert len(files) == status.segment_count < 200
    assert status.problems == ()
    assert len(contents(store, [1, 144_000, 288_000])) == 3
    store.close()
