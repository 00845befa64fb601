"""Equal traffic is no difference, and a small regression is found in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from longpole.analyzer.compare.sample import TraceCells
from tests.analyzer.compare.made_traces import heavy_tailed
from tests.analyzer.compare.power import power


def draw(count: int, rng: np.random.Generator) -> Sequence[TraceCells]:
    return [heavy_tailed(number, rng) for number in range(count)]


def test_equal_traffic_is_no_difference_and_five_percent_of_the_path_are_found() -> None:
    seen = power(draw, runs=3, traces=500, share=0.05, shuffles=1500)
    assert (seen.false_claims, seen.found, seen.named) == (0, 3, 3)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_at_most_one_false_claim_in_a_hundred_and_at_least_95_found() -> None:
    seen = power(draw, runs=100, traces=500, share=0.05)
    assert seen.false_claims <= 1
    assert seen.found >= 95
