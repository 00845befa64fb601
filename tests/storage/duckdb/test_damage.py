"""One byte of a sealed file changes: what it hits is set aside, counted and named, and all the
rest is served."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from longpole.model.clock import ManualClock
from longpole.model.query import TraceQuery
from longpole.model.signals import Signal
from longpole.storage.duckdb.repair import SegmentDamaged
from longpole.storage.duckdb.store import DuckDBStore, StoreSettings
from tests.storage.duckdb.damage import damage_table, flip, segment_files
from tests.storage.duckdb.test_settlement import settle, visible
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

FIRST, SECOND = range(1, 1001), range(1001, 1011)


def filled(path: Path) -> dict[int, list[dict[str, object]]]:
    """A big segment and a small one of spans, closed; what they hold."""
    store = opened(path)
    send(store, spans(FIRST, per_trace=5), logs(FIRST), metrics(100))
    store.seal()
    send(store, spans(SECOND, seed=1))
    store.seal()
    held = contents(store, [*FIRST, *SECOND])
    store.close()
    return held


def test_a_damaged_block_costs_only_the_rows_that_it_hit(tmp_path: Path) -> None:
    held = filled(tmp_path)
    damage_table(segment_files(tmp_path, "spans")[0], "spans")
    store = opened(tmp_path)
    found = store.find_traces(TraceQuery(limit=2000))
    left = contents(store, [*FIRST, *SECOND])
    rows = {row["row_id"]: row for own in held.values() for row in own}
    kept = [row for own in left.values() for row in own]
    lost = len(rows) - len(kept)
    assert 0 < lost <= 3 * 2048
    assert all(row == rows[row["row_id"]] for row in kept)
    assert set(SECOND) <= set(left)
    assert store.status().losses == {"lost_damaged_spans": lost}
    assert any(f"Lost: {lost} of 5000 spans (of traces " in notice for notice in found.notices)
    assert row_counts(store) == {"traces": len(kept), "logs": 1000, "metrics": 100}
    assert [p.name for p in (tmp_path / "quarantine").iterdir()] == ["spans-1.duckdb"]
    store.close()
    again = opened(tmp_path)
    assert contents(again, [*FIRST, *SECOND]) == left
    assert again.status().losses == {"lost_damaged_spans": lost}, "counted for good"
    again.close()


@pytest.mark.parametrize("table", ["resources", pytest.param("scopes", marks=pytest.mark.full)])
def test_spans_outlive_their_definitions(tmp_path: Path, table: str) -> None:
    held = filled(tmp_path)
    damage_table(segment_files(tmp_path, "spans")[0], table)
    store = opened(tmp_path)
    (name,) = {span.service_name for span in store.trace(1).spans}  # type: ignore[union-attr]
    assert name == "shop"
    assert contents(store, [*FIRST, *SECOND]) == held, "another file has the same definition"
    assert store.status().losses == {}
    store.close()


@pytest.mark.full
def test_without_another_copy_a_resource_keeps_the_name_of_its_service(tmp_path: Path) -> None:
    store = opened(tmp_path)
    send(store, spans(FIRST))
    store.seal()
    store.close()
    damage_table(segment_files(tmp_path, "spans")[0], "resources")
    store = opened(tmp_path)
    assert {span.service_name for span in store.trace(1).spans} == {"shop"}  # type: ignore[union-attr]
    assert store.status().losses == {"lost_damaged_resources": 1}
    assert row_counts(store)["traces"] == 3000
    store.close()


@pytest.mark.full
def test_points_without_their_series_are_lost_and_counted(tmp_path: Path) -> None:
    store = opened(tmp_path)
    send(store, metrics(90))
    store.seal()
    store.close()
    damage_table(segment_files(tmp_path, "metrics")[0], "metric_series")
    store = opened(tmp_path)
    assert sum(1 for _ in store.export(Signal.METRICS)) == 0
    assert store.status().losses == {
        "lost_damaged_metric_points": 90,
        "lost_damaged_metric_series": 3,
    }
    store.close()


def test_a_merge_that_meets_damage_repairs_it_and_goes_on(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for seed in (0, 1):
        send(store, spans(SECOND, seed=seed))
        store.seal()
    store.close()
    damage_table(segment_files(tmp_path, "spans")[0], "span_events")
    store = opened(tmp_path, compact_files=2)
    store.tick()
    store.tick()
    (merged,) = segment_files(tmp_path, "spans")
    assert list(store.status().losses) == ["lost_damaged_span_events"]
    assert row_counts(store)["traces"] == 60
    assert [p.name for p in (tmp_path / "quarantine").iterdir()] == ["spans-1.duckdb"]
    assert not store.status().problems[1:]
    store.close()
    again = opened(tmp_path)
    assert segment_files(tmp_path, "spans") == [merged]
    again.close()


@pytest.mark.parametrize("where", ["a block", pytest.param("the header", marks=pytest.mark.full)])
def test_derived_rows_are_worked_out_again(tmp_path: Path, where: str) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path, clock)
    send(store, spans(SECOND))
    clock.advance(60)
    settle(store)
    store.seal()
    store.close()
    (derived,) = segment_files(tmp_path, "derived")
    if where == "a block":
        damage_table(derived, "path_segments")
    else:
        flip(derived, 100)
    store = opened(tmp_path, clock)
    store.path_totals(TraceQuery(), ["service"])
    assert store.pending_traces() == len(SECOND)
    store.close()
    again = opened(tmp_path, clock)
    assert again.pending_traces() == len(SECOND), "also when the server was restarted meanwhile"
    clock.advance(60)
    settle(again)
    assert len(visible(again)) == len(SECOND)
    assert again.status().losses == {}
    again.close()


def test_who_may_not_change_the_directory_is_told_what_to_do(tmp_path: Path) -> None:
    filled(tmp_path)
    damage_table(segment_files(tmp_path, "spans")[0], "spans")
    files = sorted(p.name for p in tmp_path.glob("*/*"))
    store = DuckDBStore.open_read_only(StoreSettings(tmp_path), ManualClock(START))
    with pytest.raises(SegmentDamaged, match=r"spans-1\.duckdb is damaged .* doctor --repair"):
        list(store.export(Signal.TRACES))
    store.close()
    assert sorted(p.name for p in tmp_path.glob("*/*")) == files


def test_what_the_journal_lost_is_counted_for_good_once_it_is_released(tmp_path: Path) -> None:
    store = opened(tmp_path / "data")
    for part in (SECOND[:5], SECOND[5:]):
        send(store, spans(part))
    shutil.copytree(tmp_path / "data", tmp_path / "killed")
    store.close()
    (journal,) = (tmp_path / "killed" / "journal").iterdir()
    flip(journal, 200)
    store = opened(tmp_path / "killed")
    losses = store.status().losses
    assert losses["journal_damaged_bytes"] > 0
    store.close()  # seals, and gives the damaged file back
    assert not any((tmp_path / "killed" / "journal").iterdir())
    for _ in range(2):
        again = opened(tmp_path / "killed")
        assert again.status().losses == losses
        again.close()
