"""RED context: a span among the other runs of its operation, as far as buckets can tell."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analyzer.correlation.red_context import faster_share, quantile_ns, red_context
from longpole.model.columns import RED_BOUNDS_NS, RED_STEP_NS

MS = 1_000_000
DURATIONS = st.lists(st.integers(0, 20_000 * MS), min_size=2, max_size=60)


def buckets_of(durations: list[int]) -> list[int]:
    counts = [0] * (len(RED_BOUNDS_NS) + 1)
    for duration in durations:
        counts[bisect_left(RED_BOUNDS_NS, duration)] += 1
    return counts


def row(step: int, durations: list[int], errors: int = 0, kind: int = 2) -> dict[str, Any]:
    return {
        "step_unix_nano": step * RED_STEP_NS, "kind": kind, "status_code": 0,
        "count": len(durations), "errors": errors, "bucket_counts": buckets_of(durations),
        "duration_sum_ns": sum(durations),
    }  # fmt: skip


@settings(max_examples=60)
@given(DURATIONS)
def test_the_true_share_of_faster_runs_lies_in_the_range(durations: list[int]) -> None:
    mine, others = durations[0], durations[1:]
    low, high = faster_share(buckets_of(durations), mine)
    assert 0 <= low <= sum(d < mine for d in others) / len(others) <= high <= 1


@settings(max_examples=60)
@given(DURATIONS, st.floats(0.01, 0.99))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(
    durations: list[int], quantile: float
) -> None:
    ordered = sorted(durations)
    rank = next(n for n in range(1, len(ordered) + 1) if n >= quantile * len(ordered))
    place = bisect_left(RED_BOUNDS_NS, ordered[rank - 1])
    found = quantile_ns(buckets_of(durations), quantile)
    if place == len(RED_BOUNDS_NS):
        assert found is None
    else:
        assert found is not None
        low = RED_BOUNDS_NS[place - 1] if place else 0
        assert low <= found <= RED_BOUNDS_NS[place]
        tighter = quantile_ns(buckets_of(durations), quantile, sum(durations))
        assert tighter is not None
        assert low <= tighter <= found


@pytest.mark.parametrize(
    ("durations", "p95"), [([1_700], 1_700), ([1_900, 3_000], 3_500), ([3_000, 3_000], 4_000)]
)
def test_a_quantile_of_few_runs_is_no_longer_than_the_longest_can_be(
    durations: list[int], p95: int
) -> None:
    # Of 1.9 s and 3 s the sum leaves 3.5 s for the longer one: the other took at least 1.4 s.
    own = [duration * MS for duration in durations]
    assert quantile_ns(buckets_of(own), 0.95, sum(own)) == p95 * MS


def test_now_and_before_are_told_apart() -> None:
    rows = [row(1, [30 * MS] * 20), row(5, [150 * MS] * 4, errors=2), row(5, [MS] * 9, kind=3)]
    found = red_context(rows, 150 * MS, 2, (5 * RED_STEP_NS, 6 * RED_STEP_NS))
    assert found is not None
    assert found.before is not None
    assert (found.now.count, found.now.error_ratio, found.now.rate) == (4, 0.5, 0.4)
    assert (found.before.count, found.others) == (20, 23)
    assert found.faster_low == 20 / 23


def test_a_single_run_has_nothing_to_be_compared_with() -> None:
    assert red_context([row(5, [MS])], MS, 2, (5 * RED_STEP_NS, 6 * RED_STEP_NS)) is None
    assert red_context([], MS, 2, (0, RED_STEP_NS)) is None
