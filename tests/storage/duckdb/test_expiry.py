"""Retention takes spans and what was derived from them together, however files are cut."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from longpole.model.clock import ManualClock
from longpole.storage.duckdb import expiry, retention
from longpole.storage.duckdb.expiry import Expiry
from longpole.storage.duckdb.manifest import SegmentEntry
from longpole.storage.duckdb.retention import expired
from longpole.storage.duckdb.store import DuckDBStore
from tests.storage.duckdb.test_settlement import explain
from tests.storage.duckdb.traffic import START, contents, logs, opened, send, spans

DAY = 86_400


def settle_all(store: DuckDBStore, clock: ManualClock) -> None:
    clock.advance(6)
    while (whole := store.quiet_traces(100, [])).traces:
        store.put_derived(explain(whole))


def sums(store: DuckDBStore) -> tuple[int, int, int, int]:
    """(spans, spans that derived rows count, traces by their spans, derived traces)."""
    row = store.sql(
        "SELECT (SELECT count(*) FROM spans) AS a, "
        "(SELECT coalesce(sum(span_count), 0)::BIGINT FROM traces) AS b, "
        "(SELECT count(DISTINCT trace_id) FROM spans) AS c, (SELECT count(*) FROM traces) AS d"
    ).rows.to_pylist()[0]
    return row["a"], row["b"], row["c"], row["d"]


def are_equal(found: tuple[int, int, int, int]) -> bool:
    return found[0] == found[1] and found[2] == found[3]


def test_derived_files_count_with_the_spans_that_they_explain() -> None:
    def entry(number: int, kind: str, size: int) -> SegmentEntry:
        return SegmentEntry(number, kind, 10, size, 1, 1, 0, 0, number)

    entries = [entry(1, "spans", 50), entry(2, "spans", 50), entry(3, "derived", 100)]
    assert expired(entries, 0, 199) == {1: "size"}
    assert expired(entries, 0, 200) == {}
    assert expired(entries, 2, 200) == {1: "age"}


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(1, 4))]
)
def test_what_is_derived_adds_up_to_the_spans_after_retention(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    clock = ManualClock(START)
    data = tmp_path / "0"
    store = opened(data, clock, compact_files=3, retain_bytes=700_000)
    for round_number in range(14):
        first = round_number * 40
        late = range(max(0, first - 200), first, chance.choice([7, 13])) if round_number else ()
        send(
            store,
            spans(range(first + 1, first + 41), seed=round_number),
            spans([1 + t for t in late], seed=1000 + round_number, per_trace=1),
            logs([first + 1]),
        )
        if chance.random() < 0.7:
            settle_all(store, clock)
        store.seal()
        clock.advance(11)
        store.tick()
        if chance.random() < 0.3:
            crashed = tmp_path / str(round_number + 1)
            shutil.copytree(data, crashed)
            store.close()
            data = crashed
            store = opened(data, clock, compact_files=3, retain_bytes=700_000)
        if chance.random() < 0.5:
            settle_all(store, clock)
            assert are_equal(sums(store)), (seed, round_number, sums(store))
    settle_all(store, clock)
    final = sums(store)
    assert are_equal(final), (seed, final)
    assert final[0] < 14 * 40 * 3, "nothing expired"
    losses = store.status().losses
    assert losses["expired_by_size_rows"] > 0
    assert losses["expired_by_size_bytes"] > 0
    sizes = sum(p.stat().st_size for p in (data / "segments").iterdir())
    assert sizes < 2 * 700_000
    shutil.copytree(data, tmp_path / "last")
    store.close()
    again = opened(tmp_path / "last", clock, compact_files=3, retain_bytes=700_000)
    settle_all(again, clock)
    assert are_equal(sums(again))
    assert again.status().losses["expired_by_size_rows"] >= losses["expired_by_size_rows"]
    again.close()


@pytest.mark.parametrize("answered", ["after the spans went", "while they went", "never"])
def test_an_explanation_of_spans_that_expired_meanwhile_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answered: str
) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path / "data", clock, retain_days=7)
    send(store, spans([1, 2], seed=1))
    store.seal()
    clock.advance(8 * DAY)
    whole = store.quiet_traces(100, [])
    assert len(whole.traces) == 2
    if answered == "while they went":
        expiry_of = expiry.expiry_of

        def then_answer(*arguments: Any) -> Expiry:
            found = expiry_of(*arguments)
            store.put_derived(explain(whole))
            return found

        monkeypatch.setattr(retention, "expiry_of", then_answer)
    store.tick()
    if answered == "after the spans went":
        store.put_derived(explain(whole))
    assert sums(store) == (0, 0, 0, 0)
    assert store.pending_traces() == 0
    store.seal()
    shutil.copytree(tmp_path / "data", tmp_path / "crashed")
    store.close()
    again = opened(tmp_path / "crashed", clock, retain_days=7)
    settle_all(again, clock)
    assert sums(again) == (0, 0, 0, 0)
    again.close()


def test_a_trace_that_lost_some_spans_is_explained_anew_even_after_a_kill(tmp_path: Path) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path / "data", clock, retain_days=7)
    send(store, spans([1, 2], seed=1))
    settle_all(store, clock)
    store.seal()
    clock.advance(4 * DAY)
    send(store, spans([2, 3], seed=2))
    settle_all(store, clock)
    store.seal()
    clock.advance(4 * DAY)
    store.tick()
    shutil.copytree(tmp_path / "data", tmp_path / "crashed")
    settle_all(store, clock)
    assert sums(store) == (6, 6, 2, 2)
    store.seal()
    shutil.copytree(tmp_path / "data", tmp_path / "later")
    store.close()
    for name, is_pending in (("crashed", True), ("later", False)):
        again = opened(tmp_path / name, clock)
        assert bool(again.pending_traces()) is is_pending
        settle_all(again, clock)
        assert sums(again) == (6, 6, 2, 2)
        again.close()


def test_an_expired_trace_that_comes_back_is_shown(tmp_path: Path) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path, clock, retain_days=7)
    send(store, spans([1], seed=1))
    store.seal()
    clock.advance(4 * DAY)
    settle_all(store, clock)
    send(store, spans([2], seed=2))
    settle_all(store, clock)
    store.seal()
    clock.advance(4 * DAY)
    store.tick()
    assert set(contents(store, [1, 2])) == {2}
    assert sums(store) == (3, 3, 1, 1)
    send(store, spans([1], seed=3))
    settle_all(store, clock)
    assert sums(store) == (6, 6, 2, 2)
    store.close()


def test_an_answer_that_counts_expired_spans_is_not_kept(tmp_path: Path) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path, clock, retain_days=7)
    send(store, spans([1], seed=1))
    store.seal()
    clock.advance(8 * DAY)
    send(store, spans([1], seed=2))
    clock.advance(6)
    whole = store.quiet_traces(9, [])
    assert whole.spans.num_rows == 6
    store.tick()
    store.put_derived(explain(whole))
    settle_all(store, clock)
    assert sums(store) == (3, 3, 1, 1)
    store.close()


def test_a_trace_whose_last_row_was_a_dropped_copy_is_settled_once(tmp_path: Path) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path, clock)
    send(store, spans([1], seed=1))
    send(store, spans([2], seed=2), spans([1, 3], seed=1))
    store.seal()
    clock.advance(6)
    store.put_derived(explain(store.quiet_traces(100, [])))
    assert store.pending_traces() == 0
    store.close()


def test_a_kill_after_retention_leaves_the_revision_that_only_a_hot_one_hides(
    tmp_path: Path,
) -> None:
    clock = ManualClock(START)
    store = opened(tmp_path / "data", clock, retain_days=7)
    send(store, spans([1], seed=1))
    store.seal()
    clock.advance(8 * DAY)
    send(store, spans([2], seed=2))
    settle_all(store, clock)
    send(store, spans([3], seed=3), spans([2], seed=2, per_trace=2))
    store.seal()  # both first revisions in one file; the copies of trace 2 go
    settle_all(store, clock)
    store.tick()
    assert store.status().losses["expired_by_age_rows"] == 3
    shutil.copytree(tmp_path / "data", tmp_path / "killed")
    store.close()
    survivor = opened(tmp_path / "killed", clock, retain_days=7)
    settle_all(survivor, clock)
    assert are_equal(sums(survivor)), sums(survivor)
    survivor.close()
