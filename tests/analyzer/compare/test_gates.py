"""Conditions for CI: what they mean, and when they fail."""

from __future__ import annotations

import numpy as np
import pytest

from longpole.analyzer.compare.gates import (
    GateResult,
    GateSyntaxError,
    Outcome,
    gate_result,
    parse_gate,
)
from longpole.analyzer.compare.noise import changes
from longpole.analyzer.compare.sample import Names, Operation, Part, TraceCells, sample_of
from tests.analyzer.compare.made_traces import MS, cells

ROOT: Operation = ("web", "GET /")
QUERY: Operation = ("db", 'SELECT "a"')


def traces(count: int, query_ms: float, seed: int, failed: int = 0) -> list[TraceCells]:
    rng = np.random.default_rng(seed)
    return [
        cells(
            ROOT,
            {
                ROOT: (Part.BETWEEN, int(5 * MS * rng.lognormal(0, 0.1))),
                QUERY: (Part.CALL, int(query_ms * MS * rng.lognormal(0, 0.1))),
            },
            calls={QUERY: 2},
            trace_id=n + 1,
            is_error=n < failed,
        )
        for n in range(count)
    ]


def result(text: str, base: list[TraceCells], head: list[TraceCells]) -> GateResult:
    names = Names()
    first, second = sample_of(base, names), sample_of(head, names)
    found = changes(first, second, names.operations, np.random.default_rng(1), shuffles=1000)
    return gate_result(parse_gate(text), first, second, names.operations, found)


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("p95 path > +5%", Outcome.FAILED),
        ("p95 path > +500%", Outcome.PASSED),
        ("mean > +3ms", Outcome.FAILED),
        ("mean path > 5ms", Outcome.PASSED),
        ('p50 path "SELECT \\"a\\"" > +10%', Outcome.FAILED),
        ('mean duration "SELECT \\"a\\"" > +1.5ms', Outcome.FAILED),
        ('mean path "GET /" > +50%', Outcome.PASSED),
        ("errors > +1%", Outcome.PASSED),
        ('p95 path "SELECT nothing" > +5%', Outcome.UNKNOWN),
        ('p95 duration "SELECT nothing" > +5%', Outcome.UNKNOWN),
    ],
)
def test_a_condition_is_about_its_own_figure(text: str, outcome: Outcome) -> None:
    for one in (base := traces(80, 10, 1)), (head := traces(80, 14, 2)):
        for trace in one:
            trace.cells[QUERY].took = sum(trace.cells[QUERY].path)
    assert result(text, base, head).outcome is outcome


def test_a_figure_beyond_the_limit_that_chance_explains_is_noise() -> None:
    few = result("mean path > +1us", traces(12, 10, 1), traces(12, 10.4, 2))
    assert few.outcome is Outcome.NOISE


@pytest.mark.parametrize(("limit", "word"), [("+1us", "beyond"), ("+10s", "within")])
def test_with_too_few_traces_nobody_can_tell(limit: str, word: str) -> None:
    fewest = result(f"mean path > {limit}", traces(3, 10, 1), traces(40, 14, 2))
    assert fewest.outcome is Outcome.TOO_FEW
    assert fewest.reason == (
        f"cannot tell: 3 and 40 traces, at least 8 a side are needed ({word} the limit as it is)"
    )


def test_errors_are_counted_in_points() -> None:
    base, head = traces(200, 10, 1), traces(200, 10, 2, failed=40)
    assert result("errors > +5%", base, head).outcome is Outcome.FAILED
    assert result("errors > +25%", base, head).outcome is Outcome.PASSED
    assert result("mean path > +5%", base, head).outcome is Outcome.PASSED


def test_nothing_to_measure_is_not_a_pass() -> None:
    assert result("p95 path > +5%", traces(20, 10, 1), []).outcome is Outcome.UNKNOWN
    assert result("errors > +5%", [], []).outcome is Outcome.UNKNOWN


def test_a_gone_operation_has_not_become_slower() -> None:
    base = traces(20, 10, 1)
    head = [cells(ROOT, {ROOT: (Part.CALL, 5 * MS)}) for _ in range(20)]
    for subject in ("duration", "path"):
        condition = f'p95 {subject} "SELECT \\"a\\"" > +5%'
        assert result(condition, base, head).outcome is Outcome.PASSED


def test_a_new_operation_is_beyond_any_limit_of_its_path() -> None:
    base = [cells(ROOT, {ROOT: (Part.CALL, 5 * MS)}) for _ in range(40)]
    assert result('p95 path "SELECT \\"a\\"" > +5%', base, traces(40, 10, 1)).outcome is (
        Outcome.FAILED
    )


@pytest.mark.parametrize(
    "text",
    ["", "p95", "p95 path", "p90 path > +5%", "p95 path < +5%", "p95 path > -5%", "path > 5%",
     "p95 path > 5", "errors > +1ms", "errors path > +1%", 'p95 path "" > 5%',
     "p95 path > 5% or", "p95 path > " + "9" * 40 + "%"],
)  # fmt: skip
def test_what_is_no_condition_is_answered_with_one(text: str) -> None:
    with pytest.raises(GateSyntaxError, match="write p95 path > "):
        parse_gate(text)
