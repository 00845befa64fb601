"""Clocks are put right in columns as they are one by one."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from longpole.analyzer.clock_shift import Clocks, ClockShift, clocks_text
from longpole.analyzer.columnar.paths import batch_paths
from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES
from longpole.model.span import Resource
from longpole.model.trace import Trace
from tests.analyzer.arrow_traces import whole_traces
from tests.analyzer.clocks.called_hosts import MS, ahead, called
from tests.analyzer.columnar.agreement import agrees
from tests.analyzer.columnar.seeded_traces import seeded_traces


def with_clocks(traces: list[Trace], seed: int) -> list[Trace]:
    """Hosts drawn for every span, and clocks for two in three traces."""
    random = Random(seed)

    def drawn(one: Trace) -> Trace:
        spans = tuple(
            replace(s, resource=Resource({"host.name": random.choice(("", "a", "b", "c"))}))
            for s in one.spans
        )
        shifts = tuple(
            ClockShift(host, random.choice((-30, -4, 3, 9, 1 << 62, -(1 << 63))), 0, 0, 1)
            for host in random.sample("abcd", random.randrange(4))
        )
        unsteady = (("a", "b"),) if random.random() < 0.3 else ()
        clocks = clocks_text(Clocks(shifts, unsteady)) if random.random() < 0.7 else None
        return replace(one, spans=spans, clocks=clocks)

    return [drawn(one) for one in traces]


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(2, 12))]
)
def test_random_clocks_are_put_right_as_one_by_one(seed: int) -> None:
    assert agrees(with_clocks(seeded_traces(seed, 500), seed)) > 0


def test_right_clocks_leave_no_answer_outside_of_its_call() -> None:
    shift = ClockShift("b", -500 * MS, -500 * MS, -500 * MS, 1)
    sent = ahead(called(1, 0, ("a", "b")), {"b": 500})
    right = replace(sent, clocks=clocks_text(Clocks((shift,))))
    assert agrees([sent, right]) == 0
    paths = batch_paths(whole_traces([sent, replace(right, trace_id=2)], ANALYSIS_ATTRIBUTES))
    assert paths.forest.detached.tolist() == [1, 0]
    assert [clocks.shifts for clocks in paths.applied] == [(), (shift,)]
