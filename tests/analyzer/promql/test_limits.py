"""What a query may cost: it is refused, with the limit it met, before memory is taken."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest

from longpole.analyzer.promql import budget
from longpole.analyzer.promql.evaluation import Limits, Settings, Steps, evaluate
from longpole.analyzer.promql.memory_catalog import MemoryCatalog
from longpole.analyzer.promql.query import parse
from longpole.analyzer.promql.refusals import EvaluationError, TimedOut, TooMuch
from longpole.analyzer.promql.series import Series
from longpole.analyzer.promql.vectors import Vector
from tests.analyzer.promql.made_histograms import histogram_of
from tests.analyzer.promql.made_series import MadeSource

SERIES = [
    Series((("__name__", "m"), ("i", f"{i:03d}")), np.array([0, 1000]), np.array([1.0, 2.0]))
    for i in range(100)
]
SMALL = Settings(limits=replace(Limits(), cells=1_000, seconds=5.0))


def ask(query: str, steps: Steps, elapsed_seconds: float = 0.0) -> object:
    return evaluate(parse(query), MadeSource(SERIES), steps, SMALL, lambda: elapsed_seconds)


def test_too_many_steps_are_refused() -> None:
    with pytest.raises(TooMuch, match="maximum resolution of 11,000 points"):
        ask("m", Steps(0, 10**9, 1))


@pytest.mark.parametrize("query", ["m", "rate(m[5m])", "max_over_time(m[5m:1s])"])
def test_too_many_values_at_once_are_refused(query: str) -> None:
    with pytest.raises(TooMuch, match="1,000 are allowed"):
        ask(query, Steps(1000, 20_000, 1000))


def test_a_query_ends_when_its_time_is_over() -> None:
    with pytest.raises(TooMuch, match="ran longer than 5 s"):
        ask("sum(m)", Steps(1000, 1000), elapsed_seconds=5.1)


def test_many_on_both_sides_are_refused() -> None:
    with pytest.raises(EvaluationError, match="many-to-many matching not allowed"):
        ask("m * on () m", Steps(1000, 1000))


def test_a_regex_without_end_takes_no_time() -> None:
    pattern = "(" * 20 + "a*" + ")*" * 20 + "b"
    found = ask(f'label_replace(m, "x", "$1", "i", "{pattern}")', Steps(1000, 1000))
    assert found is not None


def test_nested_subqueries_are_refused_before_their_work() -> None:
    nested = "vector(1)"
    for _ in range(3):
        nested = f"sum_over_time({nested}[1d:1s])"
    begun = time.process_time()
    with pytest.raises(TooMuch, match="more than 2,000,000,000 values together"):
        evaluate(parse(nested), MadeSource([]), Steps(0, 0), Settings(), lambda: 0.0)
    # Work without a bound was more than a minute.
    assert time.process_time() - begun < 5


def test_time_is_looked_at_while_windows_are_added_up() -> None:
    looks = itertools.count()
    query = parse("sum_over_time(vector(1)[1h:1s])")
    steps, settings = Steps(0, 10_000_000, 1000), Settings(limits=Limits(seconds=7.5))
    with pytest.raises(TimedOut):
        # Nodes look seven times all in all; the three pieces of the sum look, too.
        evaluate(query, MadeSource([]), steps, settings, lambda: float(next(looks)))
    assert next(looks) == 9


@pytest.mark.parametrize(
    ("count", "words"),
    [
        ("1e30", r"Scalar value 1e\+30 overflows int64"),
        ("Inf", r"Scalar value \+Inf overflows int64"),
        ("NaN", "Scalar value NaN overflows int64"),
        ("-1e30 + 2e30 * (time() > bool 1)", r"Scalar value -1e\+30 overflows int64"),
    ],
)
@pytest.mark.parametrize("op", ["topk", "bottomk"])
@pytest.mark.filterwarnings("error")
def test_a_count_that_is_no_integer_is_refused(op: str, count: str, words: str) -> None:
    with pytest.raises(EvaluationError, match=words):
        ask(f"{op}({count}, m)", Steps(0, 4000, 1000))


@pytest.mark.parametrize("count", ["0", "0.9", "-3", "-1e30", "-Inf"])
@pytest.mark.filterwarnings("error")
def test_a_count_below_one_leaves_nothing(count: str) -> None:
    found = ask(f"topk({count}, m)", Steps(1000, 1000))
    assert isinstance(found, Vector)
    assert found.labels == ()


def test_values_that_are_counted_apart_are_refused_before_they_are_made() -> None:
    times = np.arange(0, 300_000, 1000)
    every = Series((("__name__", "m"),), times, np.arange(300.0))
    with pytest.raises(TooMuch, match="values at once"):
        evaluate(
            parse('count_values("v", m)'), MadeSource([every]), Steps(0, 299_000, 1000), SMALL,
            lambda: 0.0,
        )  # fmt: skip


@pytest.mark.parametrize(
    "query",
    ["h * 2", "-h", "h + h", "sum(h)", "rate(h[5m])", "irate(h[5m])", "sum_over_time(h[5m])"],
)
def test_histograms_are_paid_for_before_memory_is_full_of_them(
    query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = np.full(2, None, object)
    held[:] = [histogram_of([1.0, 2.0], 3), histogram_of([1.0, 2.0, 3.0], 3)]
    times = np.array([0, 1000])
    catalog = MemoryCatalog([Series((("__name__", "h"),), times, np.zeros(2), held)])
    steps = Steps(1000, 20_000, 1000)
    assert evaluate(parse(query), catalog, steps, Settings(), lambda: 0.0)
    monkeypatch.setattr(budget, "MOST_IN_HISTOGRAMS", 1_500)
    with pytest.raises(TooMuch, match="too many native histograms"):
        evaluate(parse(query), catalog, steps, Settings(), lambda: 0.0)


def test_histograms_that_are_read_count_with_all_that_they_hold() -> None:
    held = np.full(2, None, object)
    held[:] = [histogram_of([1.0, 2.0], 3)] * 2
    one = Series((("__name__", "h"),), np.array([0, 1000]), np.zeros(2), held)
    assert one.cost == 2 * (budget.HISTOGRAM_COST + 3)
    with pytest.raises(TooMuch):
        MemoryCatalog([one]).select([], -1, 2000, 50)
