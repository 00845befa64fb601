"""Nearby logs: a pattern that keeps to the intervals is found, chance is not."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analyzer.correlation.log_lines import LogLine
from longpole.analyzer.correlation.nearby_logs import at_least, merged, nearby_patterns

S = 1_000_000_000
OBSERVED = (0, 600 * S)


def line(seconds: float, body: str) -> LogLine:
    return LogLine(round(seconds * S), "pay", 9, "", body)


def chatter(random: Random, count: int = 600) -> list[LogLine]:
    """What a process says all the time."""
    said = ("served request", "cache miss for key", "flushed buffer", "heartbeat")
    return [line(random.uniform(0, 600), f"{random.choice(said)} {n}") for n in range(count)]


def test_a_pause_that_is_logged_without_a_trace_id_is_found() -> None:
    lines = [*chatter(Random(1)), line(300.4, "GC pause 1180 ms")]
    (found,) = nearby_patterns(lines, [(300 * S, 301 * S)], OBSERVED)
    assert (found.template, found.inside, found.outside) == ("GC pause <*> ms", 1, 0)


def test_the_same_line_all_the_time_is_no_news() -> None:
    lines = [line(n, f"GC pause {n} ms") for n in range(600)]
    assert nearby_patterns(lines, [(300 * S, 302 * S)], OBSERVED) == []


def test_of_a_frequent_pattern_only_a_burst_counts() -> None:
    burst = [line(300 + n / 100, f"served request {n}") for n in range(90)]
    (found,) = nearby_patterns([*chatter(Random(2)), *burst], [(300 * S, 301 * S)], OBSERVED)
    assert found.template == "served request <*>"
    assert found.inside >= 90
    assert found.expected < 1


@pytest.mark.parametrize("seed", range(40))
def test_shuffled_logs_show_nothing(seed: int) -> None:
    """The control: the same records at times drawn anew say nothing about the interval. The
    bound of 1 in 100 is for all patterns of one look together."""
    random = Random(seed)
    lines = [*chatter(random), *(line(300.2, f"lock wait {n} ms") for n in range(5))]
    assert nearby_patterns(lines, [(300 * S, 301 * S)], OBSERVED) != []
    shuffled = [
        LogLine(round(random.uniform(0, 600) * S), one.service, 9, "", one.body) for one in lines
    ]
    assert nearby_patterns(shuffled, [(300 * S, 301 * S)], OBSERVED) == []


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=8))
def test_merged_intervals_cover_the_same_and_never_touch(pairs: list[tuple[int, int]]) -> None:
    joined = merged(pairs)
    covered = {at for start, end in pairs for at in range(start, end)}
    assert {at for start, end in joined for at in range(start, end)} == covered
    assert all(a[1] < b[0] for a, b in zip(joined, joined[1:], strict=False))


@settings(max_examples=50)
@given(st.integers(0, 40), st.floats(0.001, 60))
def test_chances_fall_with_the_count_and_rise_with_what_is_expected(
    count: int, expected: float
) -> None:
    assert 0 <= at_least(count + 1, expected) <= at_least(count, expected) <= 1
    assert at_least(count, expected) <= at_least(count, expected * 1.1) + 1e-12


def test_nothing_to_look_at_finds_nothing() -> None:
    assert nearby_patterns([], [(0, S)], OBSERVED) == []
    assert nearby_patterns([line(1, "x")], [], OBSERVED) == []
    assert nearby_patterns([line(1, "x")], [OBSERVED], OBSERVED) == []
