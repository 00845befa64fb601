"""A round of settling gives the same rows with and without compiled code."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from longpole.analyzer import settle_round
from longpole.analyzer.columnar.loops import compile_all
from longpole.analyzer.columnar.readiness import CompiledCore
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.settle import settle_once
from longpole.analyzer.settle_round import MANY_TRACES
from longpole.model.clock import ManualClock
from longpole.model.trace import Trace
from longpole.storage.ports import DerivedRows
from tests.analyzer.arrow_traces import ListFeed
from tests.analyzer.clocks.called_hosts import ahead, called
from tests.analyzer.columnar.seeded_traces import seeded_traces


class Core(CompiledCore):
    """Compiled code that is ready, or never is."""

    def __init__(self, is_there: bool) -> None:
        super().__init__()
        self._is_there = is_there
        if is_there:
            compile_all()

    @property
    def is_ready(self) -> bool:
        return self._is_there


def settled(traces: Sequence[Trace], is_there: bool) -> DerivedRows:
    feed = ListFeed(traces)
    settle_once(feed, ManualClock(), limit=10_000, core=Core(is_there))
    (rows,) = feed.put
    return rows


def same(traces: Sequence[Trace]) -> DerivedRows:
    plain, compiled = settled(traces, False), settled(traces, True)
    assert plain.settled == compiled.settled
    assert set(plain.tables) == set(compiled.tables)
    for name, table in plain.tables.items():
        assert compiled.tables[name].schema.equals(table.schema)
        assert compiled.tables[name].to_pylist() == table.to_pylist(), name
    return compiled


@pytest.mark.parametrize("seed", [21, *(pytest.param(s, marks=pytest.mark.full) for s in range(9))])
def test_random_rounds_give_the_same_rows_either_way(seed: int) -> None:
    rows = same([one for one in seeded_traces(seed, 300) if one.spans])
    assert rows.tables["findings"].num_rows > 0


def test_clocks_are_put_right_either_way() -> None:
    traces = [ahead(called(n, 20 * n, ("a", "b")), {"b": 500}) for n in range(1, MANY_TRACES + 9)]
    rows = same(traces)
    assert set(rows.tables["traces"]["skew_shifts"].to_pylist()) == {1}


def test_a_bug_of_the_plain_code_leaves_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def explain_or_break(spans: PathSpans, *rest: object) -> Explanation:
        if spans.trace_id == 7:
            raise RuntimeError("a bug")
        return explain(spans)

    monkeypatch.setattr(settle_round, "explain", explain_or_break)
    traces = [called(n, n, ("a", "b")) for n in range(1, MANY_TRACES + 9)]
    rows = settled(traces, True).tables
    row = rows["traces"].to_pylist()[6]
    assert "could not be analysed" in row["verdict"]
    mine = [s for s in rows["path_segments"].to_pylist() if s["trace_lo"] == 7]
    assert sum(s["end_unix_nano"] - s["start_unix_nano"] for s in mine) == row["duration_ns"]
    assert len(mine) > 1


def test_a_bug_of_the_compiled_loops_leaves_the_plain_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    traces = [called(n, n, ("a", "b")) for n in range(1, MANY_TRACES + 9)]
    plain = settled(traces, False)
    monkeypatch.setattr("longpole.analyzer.columnar.settling.batch_paths", broken)
    broken_rows = settled(traces, True)
    assert broken_rows.tables["traces"].equals(plain.tables["traces"])


def test_options_reach_the_compiled_loops() -> None:
    late = [called(n, n, ("", ""), (2, 14)) for n in range(1, MANY_TRACES + 9)]
    feeds = ListFeed(late), ListFeed(late)
    for feed, tau_ns in zip(feeds, (0, 10_000_000), strict=True):
        settle_once(feed, ManualClock(), PathOptions(tau_ns=tau_ns), core=Core(True))
    strict, tolerant = (set(f.put[0].tables["path_segments"]["span_id"].to_pylist()) for f in feeds)
    assert (4 in strict, 4 in tolerant) == (False, True)
