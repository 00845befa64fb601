"""The first line of a comparison says what changed, and does not seem to contradict itself."""

from __future__ import annotations

from fractions import Fraction

import pytest

from longpole.analyzer.compare.columns import Scope
from longpole.analyzer.compare.noise import Change, Changes
from longpole.analyzer.compare.terms import Term, TermKind
from longpole.analyzer.reports.compare_verdict import verdict_line

SLOWER_QUERY = Change(
    Scope.OPERATION, ("pay", "SELECT x"), None,
    effect=9e6, typical=9e6, low=8e6, high=1e7, z=6.0, p_value=0.0001, is_real=True,
)  # fmt: skip


@pytest.mark.parametrize(
    ("means_ns", "end"),
    [
        ((40_000_000, 49_000_000), "takes 9 ms more; mean 40 ms → 49 ms (+22.5 %)."),
        (
            (49_000_000, 40_000_000),
            "takes 9 ms more; other parts or other traffic outweigh it: mean 49 ms → 40 ms "
            "(−18.4 %).",
        ),
    ],
)
def test_a_slower_operation_in_a_faster_whole_is_told_as_such(
    means_ns: tuple[int, int], end: str
) -> None:
    found = Changes((SLOWER_QUERY,), is_enough=True, detectable_share=0.1)
    line = verdict_line(found, [], means_ns, (0.0, 0.0), (100, 100), "mean")
    assert line == f"Slower: pay › SELECT x {end}"


LONGER, CALLS, MIX = TermKind.LONGER, TermKind.CALLS, TermKind.MIX


@pytest.mark.parametrize(
    ("terms", "difference_ms", "told"),
    [
        ([(LONGER, 149)], 160, "149 ms more (longer calls; 93 % of the change)"),
        ([(LONGER, 4), (CALLS, 2), (MIX, 54)], 60,
         "6 ms more (longer calls: 4 ms; 10 % of the change)"),
        ([(LONGER, 20)], 10, "20 ms more (longer calls; more than the whole change)"),
        ([(LONGER, 7), (CALLS, -8)], 10, "7 ms more (longer calls; 70 % of the change)"),
        ([(LONGER, -3)], 10, "9 ms more"),
        ([(MIX, 5)], 10, "9 ms more"),
    ],
)  # fmt: skip
def test_the_size_is_that_of_the_terms_and_the_tests_own_only_without_any(
    terms: list[tuple[TermKind, int]], difference_ms: int, told: str
) -> None:
    found = Changes((SLOWER_QUERY,), is_enough=True, detectable_share=0.1)
    split = [Term(kind, ("pay", "SELECT x"), Fraction(ms * 1_000_000)) for kind, ms in terms]
    means_ns = (100_000_000, 100_000_000 + difference_ms * 1_000_000)
    line = verdict_line(found, split, means_ns, (0.0, 0.0), (100, 100), "around p95")
    assert line.startswith(f"Slower: pay › SELECT x takes {told}; around p95 100 ms → ")


def test_what_makes_most_of_a_change_is_told_though_chance_may_have_moved_it() -> None:
    """Twenty calls of seconds among six hundred: certain is a trifle elsewhere."""
    found = Changes((SLOWER_QUERY,), is_enough=True, detectable_share=0.1)
    ms = 1_000_000
    split = [
        Term(LONGER, ("pay", "SELECT x"), Fraction(2 * ms)),
        Term(LONGER, ("pay", "SELECT history"), Fraction(76 * ms)),
        Term(MIX, ("web", "GET /"), Fraction(22 * ms)),
    ]
    line = verdict_line(found, split, (50 * ms, 150 * ms), (0.0, 0.0), (1500, 600), "mean")
    assert line == (
        "Slower: pay › SELECT x takes 2 ms more (longer calls; 2.0 % of the change); 76 % of the "
        "change is pay › SELECT history, which chance alone may have moved; mean 50 ms → 150 ms "
        "(+200.0 %)."
    )


def test_a_trifle_that_is_sure_does_not_outshine_the_great_change_against_it() -> None:
    found = Changes((SLOWER_QUERY,), is_enough=True, detectable_share=0.1)
    ms = 1_000_000
    split = [
        Term(LONGER, ("pay", "SELECT x"), Fraction(9 * ms)),
        Term(LONGER, ("pay", "SELECT history"), Fraction(-90 * ms)),
    ]
    line = verdict_line(found, split, (150 * ms, 69 * ms), (0.0, 0.0), (1500, 600), "mean")
    assert line == (
        "Faster on the whole, mean 150 ms → 69 ms (−54.0 %); more than the whole of the change is "
        "pay › SELECT history, which chance alone may have moved. Beyond chance is only the "
        "opposite. Slower: pay › SELECT x takes 9 ms more (longer calls)."
    )


def test_what_goes_with_the_whole_change_is_named_before_a_greater_one_against_it() -> None:
    faster = Change(
        Scope.OPERATION, ("pay", "SELECT y"), None,
        effect=-5e6, typical=-5e6, low=-6e6, high=-4e6, z=-6.0, p_value=0.0001, is_real=True,
    )  # fmt: skip
    found = Changes((SLOWER_QUERY, faster), is_enough=True, detectable_share=0.1)
    line = verdict_line(found, [], (90_000_000, 40_000_000), (0.0, 0.0), (100, 100), "mean")
    assert line.startswith("Faster: pay › SELECT y takes 5 ms less; ")


@pytest.mark.parametrize(
    ("mean_ms", "told"),
    [
        (55, "No difference: what moved is noise (mean 50 ms → 55 ms (+10.0 %); a change of all "
             "durations by 15 % would have been seen)."),
        (150, "No difference beyond chance: mean 50 ms → 150 ms (+200.0 %), which few traces make; "
              "90 % of the change is pay › SELECT history, which chance alone may have moved; a "
              "change of all durations by 15 % would have been seen."),
    ],
)  # fmt: skip
def test_a_mean_far_away_is_not_called_noise_beside_what_would_have_been_seen(
    mean_ms: int, told: str
) -> None:
    ms = 1_000_000
    found = Changes((), is_enough=True, detectable_share=0.15)
    split = [Term(LONGER, ("pay", "SELECT history"), Fraction(90 * ms))]
    line = verdict_line(found, split, (50 * ms, mean_ms * ms), (0.0, 0.0), (900, 900), "mean")
    assert line == told
