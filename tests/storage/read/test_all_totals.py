"""Totals without a condition are counted in their own way, and must say what the others say."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from longpole.model.clock import ManualClock
from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.storage.duckdb.read import all_totals
from longpole.storage.duckdb.store import DuckDBStore, StoreSettings
from tests.storage.span_examples import NOON, settle, span, submit_spans

EVERYTHING = TraceQuery(limit=None)
# Meets every span, and goes the way of totals that have conditions.
EVERY_SPAN = TraceQuery((Condition(Field.DURATION, Comparison.GE, 0),), limit=None)
GROUPINGS: tuple[list[str], ...] = (
    [],
    ["label"],
    ["service", "operation", "label"],
    ["peer_service", "root_operation"],
)


@pytest.mark.parametrize(("rows", "cells"), [(2_000_000, 1 << 25), (3, 5)])
def test_totals_of_everything_are_those_of_a_condition_that_everything_meets(
    rows: int, cells: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(all_totals, "ROWS_AT_A_TIME", rows)
    monkeypatch.setattr(all_totals, "_MOST_CELLS", cells)
    random, clock = Random(1), ManualClock(NOON)
    store = DuckDBStore.open(StoreSettings(data_dir=tmp_path / "data"), clock)
    store.load()
    try:
        for period in range(3):
            # Later periods reopen traces of earlier ones, so that revisions are superseded.
            submit_spans(
                store,
                *(
                    span(random.randint(1, 30), period * 30 + n, service_name=f"s{n % 3}")
                    for n in range(1, 30)
                ),
            )
            settle(store, clock)
            if period < 2:
                store.seal()
        _agree(store)
        submit_spans(store, span(5, 90), span(6, 91))  # these are unexplained again
        _agree(store)
    finally:
        store.close()


def _agree(store: DuckDBStore) -> None:
    for group_by in GROUPINGS:
        found = store.path_totals(EVERYTHING, group_by)
        wanted = store.path_totals(EVERY_SPAN, group_by)
        assert found.groups.to_pylist() == wanted.groups.to_pylist()
        assert found.roots == wanted.roots
        assert found.unsettled == wanted.unsettled
        assert sum(found.groups["critical_ns"].to_pylist()) == (
            found.roots["duration_sum_ns"][0].as_py()
        )
