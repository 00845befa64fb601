from __future__ import annotations

import random

import pytest

from shop.load.outcomes import MOST_KEPT, Latencies, nearest_rank


def test_percentiles_are_nearest_rank() -> None:
    ordered = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert [nearest_rank(ordered, percent) for percent in (1, 50, 51, 95, 100)] == [
        0.1, 0.5, 0.6, 1.0, 1.0
    ]  # fmt: skip
    assert nearest_rank([], 50) == 0


def test_latencies_count_all_and_keep_an_even_sample() -> None:
    latencies, chance = Latencies(), random.Random(1)
    for _ in range(20 * MOST_KEPT):
        latencies.add(chance.random())
    latencies.add(7.0)
    shown = latencies.document()
    assert shown["count"] == 20 * MOST_KEPT + 1
    assert shown["max_ms"] == 7000
    assert shown["p50_ms"] == pytest.approx(500, abs=35)
    assert shown["p95_ms"] == pytest.approx(950, abs=20)
    assert len(latencies._kept) <= MOST_KEPT
