"""What is real and what is noise, in the cases where it is easy to get wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from longpole.analyzer.compare.columns import Scope
from longpole.analyzer.compare.noise import Changes, changes
from longpole.analyzer.compare.ranks import benjamini_hochberg, chi_square_tail, midranks
from longpole.analyzer.compare.sample import Names, Operation, Part, TraceCells, sample_of
from tests.analyzer.compare.made_traces import MS, cells

ROOT: Operation = ("web", "GET /")
QUERY: Operation = ("db", "SELECT")


def found(base: list[TraceCells], head: list[TraceCells]) -> Changes:
    names = Names()
    first, second = sample_of(base, names), sample_of(head, names)
    return changes(first, second, names.operations, np.random.default_rng(1), shuffles=1000)


def scopes(result: Changes) -> set[Scope]:
    return {change.scope for change in result.real}


def made(
    count: int, query: Callable[[int], float], seed: int, is_error: bool = False
) -> list[TraceCells]:
    """Traces with a steady root and a query of so many milliseconds."""
    rng = np.random.default_rng(seed)
    return [
        cells(
            ROOT,
            {
                ROOT: (Part.BETWEEN, int(5 * MS * rng.lognormal(0, 0.2))),
                QUERY: (Part.CALL, int(query(n) * MS * rng.lognormal(0, 0.2))),
            },
            trace_id=n + 1,
            start=n * MS,
            is_error=is_error,
        )
        for n in range(count)
    ]


def test_a_large_change_of_few_traces_is_found() -> None:
    result = found(made(9, lambda n: 10, 1), made(10, lambda n: 60, 2))
    assert {change.operation for change in result.real} >= {QUERY}
    assert all(change.is_worse for change in result.real)


def test_too_few_traces_are_said_to_be_too_few() -> None:
    result = found(made(3, lambda n: 10, 1), made(10, lambda n: 900, 2))
    assert not result.is_enough
    assert result.real == ()


def test_one_enormous_outlier_is_no_change() -> None:
    head = [*made(60, lambda n: 10, 2), *made(1, lambda n: 600_000, 3)]
    assert scopes(found(made(60, lambda n: 10, 1), head)) == set()


def test_a_sure_but_tiny_change_is_not_worth_a_word() -> None:
    assert scopes(found(made(4000, lambda n: 10, 1), made(4000, lambda n: 10.06, 2))) == set()


def test_more_failures_are_a_change_of_their_own() -> None:
    good, bad = made(100, lambda n: 10, 2), made(100, lambda n: 10, 3, is_error=True)
    result = found(made(200, lambda n: 10, 1), [*good, *bad])
    assert scopes(result) == {Scope.ERRORS}


def test_other_traffic_is_mix_and_no_slowdown() -> None:
    other = [
        cells(("web", "POST /"), {("web", "POST /"): (Part.CALL, 90 * MS + n)}, trace_id=n + 9000)
        for n in range(150)
    ]
    base, head = made(200, lambda n: 10, 1), made(200, lambda n: 10, 2)
    assert scopes(found([*base, *other[:20]], [*head, *other[20:]])) == {Scope.MIX}


def test_a_call_that_was_not_there_is_found() -> None:
    extra: Operation = ("cache", "GET")
    base, head = made(60, lambda n: 10, 1), made(60, lambda n: 10, 2)
    head = [
        cells(ROOT, {
            **{o: (Part.CALL, sum(cell.path)) for o, cell in one.cells.items()},
            extra: (Part.CALL, 3 * MS),
        }, trace_id=one.trace_id)
        for one in head
    ]  # fmt: skip
    assert extra in {change.operation for change in found(base, head).real}


def test_traffic_with_bad_moments_on_both_sides_gives_weaker_evidence() -> None:
    def evidence(is_slow: Callable[[int], bool]) -> float:
        head = made(160, lambda n: 16 if is_slow(n) else 10, 2)
        base = made(160, lambda n: 12 if is_slow(n) else 9, 1)
        return found(base, head).tests[0].z

    assert 0 < evidence(lambda n: n < 40) < 0.8 * evidence(lambda n: n % 4 == 0)


def test_a_burst_that_base_never_had_is_a_change() -> None:
    head = made(160, lambda n: 40 if n < 60 else 10, 2)
    assert found(made(160, lambda n: 10, 1), head).real


def test_both_directions_are_the_same_but_for_the_sign() -> None:
    base, head = made(80, lambda n: 10, 1), made(80, lambda n: 13, 2)
    there, back = found(base, head), found(head, base)
    assert [round(c.z, 6) for c in there.tests] == [round(-c.z, 6) for c in back.tests]


def test_the_same_question_has_the_same_answer() -> None:
    base, head = made(80, lambda n: 10, 1), made(80, lambda n: 10.4, 2)
    assert found(base, head) == found(base, head)


def test_ranks_and_tails_are_those_of_the_tables() -> None:
    assert midranks(np.array([3.0, 1.0, 3.0, 9.0])).tolist() == [2.5, 1.0, 2.5, 4.0]
    # 0.05 and 0.001 points of chi-square with 5 and 10 degrees of freedom
    assert abs(chi_square_tail(11.07, 5) - 0.05) < 0.001
    assert abs(chi_square_tail(29.588, 10) - 0.001) < 0.0001
    # The example of Benjamini and Hochberg (1995): four of fifteen at 0.05.
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
         0.5719, 0.6528, 0.7590, 1.0]  # fmt: skip
    assert sum(q <= 0.05 for q in benjamini_hochberg(p)) == 4
