"""Terms of a difference: they add up without a residue, and each tells its own story."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longpole.analyzer.compare.band import Statistic, in_band
from longpole.analyzer.compare.cells import trace_cells
from longpole.analyzer.compare.sample import Names, Operation, Part, TraceCells, sample_of
from longpole.analyzer.compare.terms import (
    Term,
    TermKind,
    side_totals,
    terms,
    whole_nanoseconds,
)
from longpole.analyzer.explain import explain
from longpole.model.trace import Trace
from tests.analyzer.compare.made_traces import cells
from tests.analyzer.random_trees import trees

ROOT: Operation = ("web", "GET /")
QUERY: Operation = ("db", "SELECT")
sides = st.lists(trees(), min_size=1, max_size=6)


def split(
    base: list[TraceCells], head: list[TraceCells], statistic: Statistic = Statistic.MEAN
) -> tuple[list[Term], Fraction]:
    names = Names()
    first, second = (
        side_totals(in_band(sample_of(side, names), statistic)) for side in (base, head)
    )
    return terms(first, second, names.operations), second.mean_ns - first.mean_ns


def told(base: list[TraceCells], head: list[TraceCells]) -> dict[tuple[str, str], int]:
    """Kind and operation of every term, in whole nanoseconds."""
    found, _ = split(base, head)
    return {(str(t.kind), t.operation[1]): round(t.difference_ns) for t in found}


def one(query_ns: int, calls: int = 1, own: int = 0) -> list[TraceCells]:
    path = {ROOT: (Part.BETWEEN, 100), QUERY: (Part.CALL, query_ns)}
    return [cells(ROOT, path, calls={QUERY: calls}, own={QUERY: own})]


@given(sides, sides, st.sampled_from(Statistic))
def test_the_terms_add_up_to_the_difference_without_a_residue(
    base: list[Trace], head: list[Trace], statistic: Statistic
) -> None:
    first, second = ([trace_cells(explain(t)) for t in side] for side in (base, head))
    found, difference = split(first, second, statistic)
    assert sum(term.difference_ns for term in found) == difference
    shown = whole_nanoseconds([term.difference_ns for term in found], round(difference))
    if found:
        assert sum(shown) == round(difference)
        off = [abs(n - t.difference_ns) for n, t in zip(shown, found, strict=True)]
        assert max(off) < 2


@given(trees())
def test_cells_hold_the_whole_path_and_no_more_of_it_than_work(tree: Trace) -> None:
    e = explain(tree)
    found = trace_cells(e)
    assert sum(sum(cell.path) for cell in found.cells.values()) == e.duration_ns
    assert sum(cell.calls for cell in found.cells.values()) == len(e.spans)
    for cell in found.cells.values():
        assert all(path <= own for path, own in zip(cell.path, cell.own, strict=True))


@given(sides)
def test_the_same_traces_on_both_sides_leave_no_term(side: list[Trace]) -> None:
    traces = [trace_cells(explain(t)) for t in side]
    found, difference = split(traces, traces)
    assert not found
    assert difference == 0


def test_calls_that_take_longer() -> None:
    assert told(one(40), one(90)) == {("longer_calls", "SELECT"): 50}


def test_more_calls_of_the_same_length() -> None:
    assert told(one(40), one(120, calls=3)) == {("more_calls", "SELECT"): 80}


def test_calls_that_were_not_there_and_calls_that_are_gone() -> None:
    without = [cells(ROOT, {ROOT: (Part.BETWEEN, 100)})]
    assert told(without, one(40)) == {("new_calls", "SELECT"): 40}
    assert told(one(40), without) == {("gone_calls", "SELECT"): -40}


def test_work_that_is_no_longer_beside_the_path_is_lost_parallelism() -> None:
    beside, alone = one(40, own=160), one(160)
    assert told(beside, alone) == {("lost_parallelism", "SELECT"): 120}


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        (Part.BETWEEN, "gap_between_calls"),
        (Part.NETWORK, "gap_network"),
        (Part.BACKOFF, "gap_backoff"),
        (Part.QUEUE, "gap_queue"),
    ],
)
def test_gaps_are_told_apart(part: Part, kind: str) -> None:
    before, after = ([cells(ROOT, {ROOT: (part, held)})] for held in (100, 130))
    assert told(before, after) == {(kind, "GET /"): 30}


def test_more_of_a_slow_kind_of_trace_is_mix_and_nothing_else() -> None:
    slow = cells(("web", "POST /"), {("web", "POST /"): (Part.CALL, 900)})
    fast = cells(ROOT, {ROOT: (Part.CALL, 100)})
    found = told([fast, fast, fast, slow], [fast, slow, slow, slow])
    assert {kind for kind, _ in found} == {"mix"}
    assert sum(found.values()) == 400


def test_a_kind_that_one_side_lacks_is_mix() -> None:
    fast = cells(ROOT, {ROOT: (Part.CALL, 100)})
    slow = cells(("web", "POST /"), {("web", "POST /"): (Part.CALL, 900)})
    found = told([fast], [fast, slow])
    assert {kind for kind, _ in found} == {"mix"}
    assert sum(found.values()) == 400


def test_sums_of_enormous_durations_stay_exact() -> None:
    huge = (1 << 62) - 1
    found, difference = split(one(40) * 4, one(huge) * 4)
    assert difference == huge - 40
    (term,) = found
    assert term.kind is TermKind.LONGER
    assert term.difference_ns == huge - 40


def test_a_band_holds_the_traces_around_its_percentile() -> None:
    names = Names()
    side = sample_of(
        [cells(ROOT, {ROOT: (Part.CALL, n)}, trace_id=n) for n in range(1, 201)], names
    )
    assert in_band(side, Statistic.P95).duration_ns.tolist() == list(range(186, 196))
    assert in_band(side, Statistic.MEAN) is side
    assert len(in_band(side.chosen(side.trace[:1]), Statistic.P99)) == 1
