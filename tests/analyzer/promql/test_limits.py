"""What a query may cost: it is refused, with the limit it met, before memory is taken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from longpole.analyzer.promql.evaluation import Limits, Settings, Steps, evaluate
from longpole.analyzer.promql.query import parse
from longpole.analyzer.promql.refusals import EvaluationError, TooMuch
from longpole.analyzer.promql.series import Series
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
