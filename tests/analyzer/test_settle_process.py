"""A round that is explained by another process is the same, and no failure of it loses one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from loguru import logger

from longpole.analyzer.clock_shift import NO_CLOCKS, Clocks, ClockShift
from longpole.analyzer.columnar.readiness import CORE
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES
from longpole.analyzer.settle import settle_once
from longpole.analyzer.settle_process import IDLE_SECONDS, REPAIR_SECONDS, SettleProcess
from longpole.analyzer.settle_round import MANY_TRACES, ExplainedRound, Round, explained_round
from longpole.model.clock import ManualClock
from tests.analyzer.arrow_traces import ListFeed, whole_traces
from tests.analyzer.clocks.called_hosts import called
from tests.analyzer.columnar.seeded_traces import seeded_traces

DEADLINE_SECONDS = 60.0


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    CORE.start()
    assert CORE.wait(600.0)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def process(clock: ManualClock) -> Iterator[SettleProcess]:
    made = SettleProcess(clock, start_spans=1)
    yield made
    made.stop()


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(
        lambda line: lines.append(str(line)), level="INFO", format="{level} {message}"
    )
    yield lines
    logger.remove(sink)


def a_round(seed: int = 3, is_hurried: bool = False) -> Round:
    traces = [one for one in seeded_traces(seed, 3 * MANY_TRACES) if one.spans]
    whole = whole_traces(traces, ANALYSIS_ATTRIBUTES)
    clocks = [NO_CLOCKS] * len(whole.traces)
    return Round(whole, PathOptions(), clocks, Thresholds(), is_hurried)


def answered(process: SettleProcess, given: Round) -> ExplainedRound:
    """The answer of the process, once it is there."""
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        found = process.explained(given)
        if found is not None:
            return found
        time.sleep(0.02)
    raise AssertionError("the process never became ready")


@pytest.mark.parametrize("is_hurried", [False, True])
def test_the_process_explains_as_the_server_does(process: SettleProcess, is_hurried: bool) -> None:
    given = a_round(is_hurried=is_hurried)
    shift = ClockShift("a", 7_000_000, 6_000_000, 8_000_000, 40)
    given = replace(given, clocks=[Clocks((shift,)), *given.clocks[1:]])
    there, here = answered(process, given), explained_round(given, CORE)
    assert there.rows.settled == here.rows.settled
    assert set(there.rows.tables) == set(here.rows.tables)
    for name, table in here.rows.tables.items():
        assert there.rows.tables[name].equals(table), name
    assert there.problems == here.problems
    assert there.not_looked_into == here.not_looked_into
    assert bool(there.not_looked_into) == is_hurried


def test_one_process_explains_round_after_round(process: SettleProcess) -> None:
    answered(process, a_round())
    first = process.pid
    for seed in range(4, 7):
        given = a_round(seed)
        there = process.explained(given)
        assert there is not None
        assert there.rows.tables["traces"].equals(
            explained_round(given, CORE).rows.tables["traces"]
        )
    assert process.pid == first


def test_small_rounds_stay_in_the_server(clock: ManualClock) -> None:
    few = whole_traces([called(n, n, ("a", "b")) for n in range(1, 4)], ANALYSIS_ATTRIBUTES)
    process = SettleProcess(clock, start_spans=1)
    small = Round(few, PathOptions(), [NO_CLOCKS] * 3, Thresholds())
    assert process.explained(small) is None
    assert process.pid is None
    many = SettleProcess(clock, start_spans=1_000_000)
    assert many.explained(a_round()) is None
    assert many.pid is None


def test_a_killed_process_loses_no_round(
    process: SettleProcess, clock: ManualClock, warnings: list[str]
) -> None:
    answered(process, a_round())
    assert process.pid is not None
    os.kill(process.pid, 9)
    feed = ListFeed([called(n, n, ("a", "b")) for n in range(1, MANY_TRACES + 9)])
    done = settle_once(feed, clock, elsewhere=process)
    assert (done.traces, done.is_elsewhere) == (MANY_TRACES + 8, False)
    assert feed.put[0].tables["traces"].num_rows == MANY_TRACES + 8
    assert any(line.startswith("WARNING The process that explains") for line in warnings)
    assert process.explained(a_round()) is None
    assert process.pid is None
    clock.advance(REPAIR_SECONDS + 1)
    answered(process, a_round())


def test_a_round_says_where_it_was_explained(process: SettleProcess, clock: ManualClock) -> None:
    answered(process, a_round())
    feed = ListFeed([called(n, n, ("a", "b")) for n in range(1, MANY_TRACES + 9)])
    assert settle_once(feed, clock, elsewhere=process).is_elsewhere
    assert feed.put[0].tables["traces"].num_rows == MANY_TRACES + 8


def test_the_process_ends_when_it_is_idle(process: SettleProcess, clock: ManualClock) -> None:
    answered(process, a_round())
    pid = process.pid
    assert pid is not None
    clock.advance(IDLE_SECONDS - 1)
    process.rest()
    assert process.pid == pid
    clock.advance(2)
    process.rest()
    assert process.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    "program",
    [
        "import sys; sys.exit(1)",
        "import os, sys; os.write(int(sys.argv[1]), b'no message')",
        "import sys; from multiprocessing.connection import Connection; "
        "pipe = Connection(int(sys.argv[1])); pipe.send('ready'); "
        "[pipe.recv_bytes() for _ in range(3)]; pipe.send('what?'); pipe.recv()",
    ],
    ids=["ends", "no message", "no answer"],
)
def test_what_is_no_answer_is_not_trusted(
    clock: ManualClock, warnings: list[str], program: str
) -> None:
    process = SettleProcess(clock, start_spans=1, command=(sys.executable, "-c", program))
    end = time.monotonic() + DEADLINE_SECONDS
    while not warnings and time.monotonic() < end:
        assert process.explained(a_round()) is None
        time.sleep(0.02)
    assert any("is gone" in line for line in warnings)
    assert process.pid is None


def test_a_program_that_is_not_there_is_no_failure(clock: ManualClock, warnings: list[str]) -> None:
    process = SettleProcess(clock, start_spans=1, command=("/nowhere/python",))
    assert process.explained(a_round()) is None
    assert any("is gone" in line for line in warnings)
    process.stop()


def test_the_server_logs_what_the_process_has_to_say(
    process: SettleProcess, warnings: list[str]
) -> None:
    answered(process, a_round())
    # Spans without their names: as a bug would, it fails the whole round.
    given = a_round()
    broken = replace(
        given, whole=replace(given.whole, spans=given.whole.spans.drop_columns(["name"]))
    )
    assert process.explained(broken) is None
    assert any("failed" in line and line.startswith("ERROR") for line in warnings), warnings
    assert process.explained(given) is not None
