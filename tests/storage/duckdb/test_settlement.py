from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from longpole.model.clock import ManualClock
from longpole.model.columns import PATH_SEGMENTS, TRACES
from longpole.model.ids import split_trace_id
from longpole.storage.duckdb.store import DuckDBStore
from longpole.storage.ports import DerivedRows, StorageError, TraceState, WholeTraces
from tests.storage.duckdb.traffic import START, Photographer, opened, send, spans, stored_tables
from tests.storage.span_examples import derived_of


def explain(whole: WholeTraces) -> DerivedRows:
    """One row in `traces` and one in `path_segments` for each trace: enough to count."""
    traces: list[dict[str, object]] = []
    paths: list[dict[str, object]] = []
    held = Counter(
        zip(*(whole.spans.column(c).to_pylist() for c in ("trace_hi", "trace_lo")), strict=True)
    )
    for state in whole.traces:
        hi, lo = split_trace_id(state.trace_id)
        key = {"trace_hi": hi, "trace_lo": lo, "revision": state.revision}
        counts = {"span_count": held[(hi, lo)], "late": state.late}
        traces.append({**key, **counts, "start_unix_nano": START})
        paths.append({**key, "service": "shop", "start_unix_nano": 0, "end_unix_nano": 1})
    return DerivedRows(
        whole.traces,
        {
            "traces": pa.Table.from_pylist(traces, schema=TRACES),
            "path_segments": pa.Table.from_pylist(paths, schema=PATH_SEGMENTS),
        },
    )


def settle(store: DuckDBStore) -> list[tuple[int, int]]:
    whole = store.quiet_traces(100, [])
    store.put_derived(explain(whole))
    return sorted((state.trace_id, state.revision) for state in whole.traces)


def visible(store: DuckDBStore) -> list[tuple[int, int]]:
    """(trace id, revision) of every derived trace that is not superseded, doubles included."""
    found = []
    with store.lease() as lease:
        snapshot = lease.snapshot
        tables = [snapshot.hot["traces"]]
        tables += [stored_tables(lease, s)["traces"] for s in snapshot.segments_of("derived")]
        hidden = {
            (row["trace_hi"] << 64) | row["trace_lo"]: row["revision"]
            for row in snapshot.superseded.to_pylist()
        }
        for row in (row for table in tables for row in table.to_pylist()):
            trace_id = (row["trace_hi"] << 64) | row["trace_lo"]
            if row["revision"] > hidden.get(trace_id, 0):
                found.append((trace_id, row["revision"]))
    return sorted(found)


def test_a_trace_is_handed_out_when_no_span_came_for_a_while(tmp_path: Path) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path, clock)
    send(store, spans([1], seed=1))
    clock.advance(4.9)
    send(store, spans([1], seed=2))
    clock.advance(4.9)
    assert store.quiet_traces(9, []).traces == ()
    clock.advance(0.2)
    whole = store.quiet_traces(9, ["http.route"])
    assert [(t.trace_id, t.revision, t.late) for t in whole.traces] == [(1, 1, 0)]
    assert whole.spans.num_rows == 6
    assert store.quiet_traces(9, []).traces == whole.traces, "no answer yet, so it comes again"
    store.put_derived(explain(whole))
    assert store.pending_traces() == 0
    assert store.quiet_traces(9, []).traces == ()
    store.close()


def test_a_trace_that_never_rests_is_handed_out_after_a_minute(tmp_path: Path) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path, clock)
    for second in range(15):
        send(store, spans([1], seed=second))
        assert store.quiet_traces(9, []).traces == ()
        clock.advance(4)
    assert [t.trace_id for t in store.quiet_traces(9, []).traces] == [1]
    store.close()


def test_the_longest_waiting_traces_come_first(tmp_path: Path) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path, clock)
    for trace_id in (3, 1, 2):
        send(store, spans([trace_id]))
        clock.advance(1)
    clock.advance(9)
    assert {s.trace_id for s in store.quiet_traces(2, []).traces} == {3, 1}
    store.put_derived(explain(store.quiet_traces(2, [])))
    assert [s.trace_id for s in store.quiet_traces(2, []).traces] == [2]
    store.close()


@pytest.mark.parametrize("is_sealed", [False, True])
def test_a_late_span_makes_a_revision_that_replaces_the_one_before(
    tmp_path: Path, is_sealed: bool
) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path, clock)
    send(store, spans([1, 2], seed=1))
    clock.advance(6)
    assert settle(store) == [(1, 1), (2, 1)]
    if is_sealed:
        store.seal()
    send(store, spans([1], seed=2, per_trace=1))
    assert store.pending_traces() == 1
    clock.advance(6)
    whole = store.quiet_traces(9, [])
    assert [(t.trace_id, t.revision, t.late) for t in whole.traces] == [(1, 2, 1)]
    store.put_derived(explain(whole))
    assert visible(store) == [(1, 2), (2, 1)]
    assert store.status().superseded_revisions == 1
    assert store.status().settled_traces == 2
    store.seal()
    assert visible(store) == [(1, 2), (2, 1)]
    store.close()
    again = opened(tmp_path, clock)
    assert visible(again) == [(1, 2), (2, 1)]
    assert again.pending_traces() == 0
    again.close()


def test_a_span_that_comes_while_its_trace_is_explained_keeps_it_pending(tmp_path: Path) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path, clock)
    send(store, spans([1], seed=1))
    clock.advance(6)
    whole = store.quiet_traces(9, [])
    send(store, spans([1], seed=2))
    store.put_derived(explain(whole))
    assert store.pending_traces() == 1
    assert visible(store) == [(1, 1)]
    clock.advance(6)
    assert settle(store) == [(1, 2)]
    assert visible(store) == [(1, 2)]
    store.close()


@pytest.mark.parametrize("is_sealed", [False, True])
def test_the_same_revision_twice_changes_nothing(tmp_path: Path, is_sealed: bool) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path, clock)
    send(store, spans([1], seed=1))
    clock.advance(6)
    rows = explain(store.quiet_traces(9, []))
    store.put_derived(rows)
    if is_sealed:
        store.seal()
    store.put_derived(rows)
    send(store, spans([1], seed=2))
    store.put_derived(rows)
    assert visible(store) == [(1, 1)]
    assert store.pending_traces() == 1
    store.close()


def test_rows_for_an_unknown_trace_are_an_error(tmp_path: Path) -> None:
    store = opened(tmp_path)
    stranger = DerivedRows((TraceState(99, 1, 5),), {})
    with pytest.raises(StorageError, match="00000063"):
        store.put_derived(stranger)
    store.close()


def test_a_restart_queues_exactly_what_no_sealed_derived_row_explains(tmp_path: Path) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path, clock)
    send(store, spans([1, 2, 3], seed=1))
    clock.advance(6)
    settle(store)
    send(store, spans([3, 4], seed=2))
    store.seal()  # 1 and 2 are explained, 3 has a late span, 4 is new
    send(store, spans([2, 5], seed=3))
    pending = set(store._state.queue.trace_ids())
    assert pending == {2, 3, 4, 5}
    store.close()
    again = opened(tmp_path, clock)
    assert set(again._state.queue.trace_ids()) == pending
    clock.advance(6)
    assert settle(again) == [(2, 2), (3, 2), (4, 1), (5, 1)]
    again.close()
    last = opened(tmp_path, clock)
    assert last.pending_traces() == 0
    assert visible(last) == [(1, 1), (2, 2), (3, 2), (4, 1), (5, 1)]
    last.close()


def test_a_kill_around_a_settlement_shows_each_trace_once_and_settles_it_again(
    tmp_path: Path,
) -> None:
    clock = ManualClock(START)
    camera = Photographer(tmp_path / "album")
    store = opened(tmp_path / "data", clock, at=camera)
    send(store, spans([1, 2], seed=1))
    clock.advance(6)
    settle(store)
    store.seal()
    send(store, spans([1], seed=2))
    clock.advance(6)
    settle(store)
    camera.source = tmp_path / "data"
    camera("settled, not sealed")
    store.seal()
    camera.source = None
    store.close()
    assert len(camera.pictures) >= 7
    for name, picture in camera.pictures.items():
        survivor = opened(picture, clock)
        assert [trace_id for trace_id, _ in visible(survivor)] == [1, 2], name
        clock.advance(6)
        settle(survivor)
        assert visible(survivor) == [(1, 2), (2, 1)], name
        assert survivor.pending_traces() == 0
        survivor.close()


def test_a_merge_drops_superseded_rows_and_forgets_them(tmp_path: Path) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path, clock, compact_files=3)
    for number in range(3):
        send(store, spans([1, number + 10], seed=number))
        clock.advance(6)
        settle(store)
        store.seal()
    shown = visible(store)
    assert shown == [(1, 3), (10, 1), (11, 1), (12, 1)]
    assert store.status().superseded_revisions == 1
    store.tick()
    store.tick()
    assert store.status().segment_count == 2
    assert visible(store) == shown
    assert store.status().superseded_revisions == 0
    assert store.status().settled_traces == 4
    with store.lease() as lease:
        (segment,) = lease.snapshot.segments_of("derived")
        assert stored_tables(lease, segment)["path_segments"].num_rows == 4
    store.close()
    again = opened(tmp_path, clock)
    assert visible(again) == shown
    again.close()


def test_a_merge_that_holds_only_the_hidden_revision_forgets_the_entry(tmp_path: Path) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path, clock, compact_files=2)
    for number in range(3):
        trace_ids = [1, 2] if number in (0, 2) else [9]
        send(store, spans(trace_ids, seed=number))
        clock.advance(6)
        settle(store)
        store.seal()
    store.tick()
    store.tick()  # the first two of each kind merge: revision 1 of 1 and 2 goes
    assert visible(store) == [(1, 2), (2, 2), (9, 1)]
    assert store.status().superseded_revisions == 0
    assert store.status().settled_traces == 3
    store.close()


def test_a_revision_that_comes_during_a_merge_hides_the_one_the_merge_still_wrote(
    tmp_path: Path,
) -> None:
    clock = ManualClock(START)
    late: list[DerivedRows] = []

    def at(step: str) -> None:
        if step == "merge written" and late:
            store.put_derived(late.pop())

    store = opened(tmp_path, clock, at=at, compact_files=2)
    for number in range(2):
        send(store, spans([1, 10 + number], seed=number))
        clock.advance(6)
        settle(store)
        store.seal()
    send(store, spans([1], seed=2))
    clock.advance(6)
    late.append(explain(store.quiet_traces(100, [])))
    while late:
        store.tick()
    assert visible(store) == [(1, 3), (10, 1), (11, 1)]
    store.seal()
    store.close()
    again = opened(tmp_path, clock)
    assert visible(again) == [(1, 3), (10, 1), (11, 1)]
    again.close()


def test_a_kill_after_a_merge_leaves_the_revision_of_a_trace_whose_copies_were_dropped(
    tmp_path: Path,
) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path / "data", clock, compact_files=2)
    for trace_ids in ([9], [1, 2]):
        store.seal()
        send(store, spans(trace_ids, seed=1))
        clock.advance(6)
        settle(store)
    send(store, spans([1], seed=1))
    store.seal()  # with the first revision; the copies, which the second one answers, go
    clock.advance(6)
    assert settle(store) == [(1, 2)]
    store.tick()
    store.tick()
    assert store.status().segment_count == 2
    assert visible(store) == [(1, 2), (2, 1), (9, 1)]
    shutil.copytree(tmp_path / "data", tmp_path / "killed")
    store.close()
    survivor = opened(tmp_path / "killed", clock)
    settle(survivor)
    assert {trace_id for trace_id, _ in visible(survivor)} == {1, 2, 9}
    survivor.close()


def test_a_trace_whose_derived_rows_were_lost_is_explained_again_visibly(tmp_path: Path) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path, clock)
    for number in range(2):
        send(store, spans([1], seed=number))
        clock.advance(6)
        settle(store)
    store.seal()
    assert visible(store) == [(1, 2)]
    store.close()
    (derived,) = (tmp_path / "segments").glob("derived-*")
    derived.write_bytes(b"damaged")
    again = opened(tmp_path, clock)
    assert visible(again) == []
    send(again, spans([1], seed=9))
    clock.advance(6)
    assert settle(again) == [(1, 1)]
    assert visible(again) == [(1, 1)]
    again.close()


@pytest.mark.parametrize("is_sealed", [False, True])
def test_the_path_of_a_trace_is_that_of_its_latest_revision(
    tmp_path: Path, is_sealed: bool
) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path, clock)
    for seed in (1, 2):  # what comes second is late
        send(store, spans([1, 2][:seed], seed=seed))
        clock.advance(10)
        store.put_derived(derived_of(store.quiet_traces(9, [])))
        if is_sealed:
            store.seal()
    with store.lease() as lease:
        assert lease.snapshot.superseded.num_rows == 1
    paths = store.path_segments([1, 2], 9)
    assert paths.column("trace_lo").to_pylist() == [1, 1, 2, 2]
    store.close()
