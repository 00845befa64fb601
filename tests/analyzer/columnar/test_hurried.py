"""A round in a hurry: every path and sum as ever, findings of the traces most worth it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from longpole.analyzer.columnar.hurried import chosen
from longpole.analyzer.derived_rows import NOT_LOOKED_INTO
from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES
from longpole.analyzer.settle import SettleRound, settle_once
from longpole.model.clock import ManualClock
from longpole.model.trace import Trace
from longpole.storage.ports import DerivedRows
from tests.analyzer.arrow_traces import ListFeed
from tests.analyzer.columnar.seeded_traces import seeded_traces
from tests.analyzer.columnar.test_settling import Core


def settled(traces: Sequence[Trace], hurry_from: int) -> tuple[SettleRound, DerivedRows]:
    feed = ListFeed(traces)
    done = settle_once(feed, ManualClock(), limit=10_000, core=Core(True), hurry_from=hurry_from)
    (rows,) = feed.put
    return done, rows


@pytest.mark.parametrize("seed", [31, *(pytest.param(s, marks=pytest.mark.full) for s in range(5))])
def test_paths_and_sums_of_a_hurried_round_are_those_of_any_other(seed: int) -> None:
    traces = [one for one in seeded_traces(seed, 300) if one.spans]
    calm, usual = settled(traces, 10**9)
    hurried, quick = settled(traces, 1)
    assert (calm.not_looked_into, calm.traces) == (0, hurried.traces)
    assert usual.settled == quick.settled
    for name in ("path_segments", "red"):
        assert quick.tables[name].equals(usual.tables[name]), name
    plain = usual.tables["traces"].drop_columns(["verdict"])
    assert quick.tables["traces"].drop_columns(["verdict"]).equals(plain)
    verdicts = zip(
        *(t.tables["traces"]["verdict"].to_pylist() for t in (usual, quick)), strict=True
    )
    untold = [told for expected, told in verdicts if told != expected]
    assert untold == [NOT_LOOKED_INTO] * hurried.not_looked_into
    # Every finding is one of those that a calm round makes.
    found = {str(row) for row in usual.tables["findings"].to_pylist()}
    assert {str(row) for row in quick.tables["findings"].to_pylist()} <= found
    assert 0 < hurried.not_looked_into < hurried.traces


def test_failed_and_slow_traces_are_looked_into_first() -> None:
    traces = [one for one in seeded_traces(5, 400) if one.spans]
    whole = ListFeed(traces).quiet_traces(10_000, ANALYSIS_ATTRIBUTES)
    nothing_odd = np.zeros(len(whole.traces), np.bool_)
    places = chosen(whole, nothing_odd)
    assert len(places) <= 20 + 2
    longest = [max(span.duration_ns for span in one.spans) for one in by_id(traces)]
    assert int(np.argmax(longest)) in places
    odd = nothing_odd.copy()
    odd[7] = True
    assert 7 in chosen(whole, odd)


def by_id(traces: Sequence[Trace]) -> list[Trace]:
    return sorted(traces, key=lambda one: one.trace_id)
