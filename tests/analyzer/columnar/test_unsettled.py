"""Totals of traces that are not settled are the same with the compiled loops and without."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Sequence

import pytest

from longpole.analyzer.columnar.odd import odd_explanations
from longpole.analyzer.columnar.paths import batch_paths
from longpole.analyzer.columnar.readiness import CompiledCore
from longpole.analyzer.columnar.times import path_times
from longpole.analyzer.explain import explain
from longpole.analyzer.path_groups import stored_columns
from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES
from longpole.analyzer.reports import unsettled
from longpole.analyzer.reports.unsettled import UnsettledTotals, unsettled_totals
from longpole.analyzer.settle import settle_once
from longpole.analyzer.times_by_trace import TimesByTrace
from longpole.model.clock import ManualClock
from longpole.model.trace import Trace
from longpole.storage.ports import PATH_GROUP_COLUMNS, WholeTraces
from tests.analyzer.arrow_traces import ListFeed, whole_traces
from tests.analyzer.columnar.seeded_traces import seeded_traces


class Core(CompiledCore):
    """A core that is as ready as a test wants it to be."""

    def __init__(self, ready_after: int) -> None:
        super().__init__()
        self.starts = self.looks = 0
        self.ready_after = ready_after

    @property
    def is_ready(self) -> bool:
        self.looks += 1
        return self.looks > self.ready_after

    def start(self) -> None:
        self.starts += 1


class Reader:
    """As much of a trace reader as totals need; remembers what was read."""

    def __init__(self, traces: Sequence[Trace]) -> None:
        self.traces = {one.trace_id: one for one in traces}
        self.reads: list[int] = []

    def whole_traces(self, trace_ids: Sequence[int], attributes: Sequence[str]) -> WholeTraces:
        self.reads.append(len(trace_ids))
        known = [self.traces[one] for one in trace_ids if one in self.traces]
        return whole_traces(known, attributes)


def totals(reader: Reader, core: CompiledCore) -> UnsettledTotals:
    found = unsettled_totals(
        reader,  # type: ignore[arg-type]
        [*reader.traces, 10**9],  # the last one has expired
        PATH_GROUP_COLUMNS,
        None,
        core,
    )
    found.aggregate.root_durations_ns.sort()
    return found


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsettled, "MANY_TRACES", 100)
    monkeypatch.setattr(unsettled, "MANY_PER_READ", 90)
    monkeypatch.setattr(unsettled, "TRACES_PER_READ", 40)


def test_many_traces_add_up_to_the_same_with_and_without_compiled_code() -> None:
    reader = Reader(seeded_traces(3, 200))
    one_by_one = totals(reader, Core(ready_after=1_000))
    assert one_by_one.explained == 200
    assert min(one_by_one.incomplete, one_by_one.late + 1) > 0
    assert totals(reader, Core(ready_after=0)) == one_by_one


def test_a_question_uses_compiled_code_as_soon_as_it_is_ready_and_never_waits() -> None:
    reader, core = Reader(seeded_traces(3, 200)), Core(ready_after=2)
    found = totals(reader, core)
    assert core.starts == 1
    assert [n for n in reader.reads if n > 30] == [40, 40, 90, 31]  # and the odd ones again
    assert found == totals(reader, Core(ready_after=1_000))


def test_few_traces_never_ask_for_compiled_code() -> None:
    core = Core(ready_after=0)
    totals(Reader(seeded_traces(3, 50)), core)
    assert core.starts == core.looks == 0


def test_odd_traces_are_counted_once() -> None:
    traces = seeded_traces(4, 150)
    assert batch_paths(whole_traces(traces, ANALYSIS_ATTRIBUTES)).odd.size > 0
    assert totals(Reader(traces), Core(ready_after=0)).explained == 150


def test_a_big_round_of_settling_is_not_interrupted_by_collections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("longpole.analyzer.garbage_pause.BIG", 100)
    collections: list[int] = []

    def note(phase: str, details: dict[str, int]) -> None:
        if phase == "start":
            collections.append(details["generation"])

    class Feed(ListFeed):
        def quiet_traces(self, limit: int, attributes: Sequence[str]) -> WholeTraces:
            whole = super().quiet_traces(limit, attributes)
            gc.callbacks.append(note)
            return whole

    try:
        settle_once(Feed(seeded_traces(5, 300)), ManualClock())
    finally:
        gc.callbacks.remove(note)
    assert len(collections) <= 1  # beside the pause, before it and after
    assert gc.isenabled()


def test_path_times_of_a_batch_are_those_of_its_traces_one_by_one() -> None:
    traces = seeded_traces(5, 60)
    paths = batch_paths(whole_traces(traces, ANALYSIS_ATTRIBUTES))
    odd = {place for place, _ in odd_explanations(paths)}
    for group_by in (("service", "edge", "root_operation"), ("call_path", "label")):
        batch, plain = TimesByTrace(group_by), TimesByTrace(group_by)
        batch.add_stored(path_times(paths, stored_columns(group_by)))
        for place, one in enumerate(sorted(traces, key=lambda t: t.trace_id)):
            if place not in odd:
                plain.add(explain(one))
        assert _by_trace(batch) == _by_trace(plain)
        assert batch.roots == plain.roots


def _by_trace(times: TimesByTrace) -> dict[tuple[object, int], int]:
    sums: Counter[tuple[object, int]] = Counter()
    for group, cells in times.groups.items():
        for place, critical_ns in zip(cells.places, cells.critical_ns, strict=True):
            sums[group, times.trace_ids[place]] += critical_ns
        sums[group, -1] = cells.segment_count
    return sums
