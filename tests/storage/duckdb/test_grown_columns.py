"""Files written before a table got a column are read, and merged, as if it were empty there."""

from __future__ import annotations

from pathlib import Path

import duckdb

from longpole.model.clock import ManualClock
from longpole.model.query import TraceQuery
from longpole.storage.duckdb.store import DuckDBStore
from tests.storage.duckdb.traffic import opened, send, spans
from tests.storage.span_examples import derived_of


def settled(store: DuckDBStore, trace_id: int) -> None:
    """Settle what is quiet and seal it."""
    send(store, spans([trace_id], seed=trace_id))
    store.put_derived(derived_of(store.quiet_traces(1_000, ())))
    store.seal()


def test_traces_settled_before_clocks_were_kept_are_still_read(tmp_path: Path) -> None:
    clock = ManualClock()
    store = opened(tmp_path, clock, settle_after_seconds=0.0)
    settled(store, 1)
    store.close()
    (old,) = (tmp_path / "segments").glob("derived-*")
    with duckdb.connect(str(old)) as connection:
        connection.execute("ALTER TABLE traces DROP COLUMN clocks")
    store = opened(tmp_path, clock, settle_after_seconds=0.0)
    settled(store, 2)
    clocks = {state.trace_id: state.clocks for state in store.whole_traces([1, 2], ()).traces}
    assert clocks == {1: "", 2: "clocks of revision 1"}
    assert store.find_traces(TraceQuery()).traces["clocks"].to_pylist().count(None) == 1
    rows = store.sql("SELECT verdict, clocks FROM traces ORDER BY clocks NULLS FIRST").rows
    assert rows["clocks"].to_pylist() == [None, "clocks of revision 1"]
    trace = store.trace(1)
    assert trace is not None
    assert trace.clocks == ""
    store.close()
