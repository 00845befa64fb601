"""Bars stand on the time of the root; what lies outside is cut off and marked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longpole.dashboards.time_axis import TimeAxis

NOON = 1_700_000_000_000_000_000
AXIS = TimeAxis.of([], (NOON, NOON + 1000))
TIMES = st.integers(-(2**63), 2**63 - 1)


def span(start: int, length: int) -> dict[str, Any]:
    return {"start_unix_nano": start, "duration_ns": length}


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (NOON, 1000, (0, 1000, "")),
        (NOON + 100, 50, (100, 50, "")),
        (NOON - 5, 1010, (0, 1000, "")),  # less than a hundredth outside
        (NOON - 100, 200, (0, 100, "‹")),
        (NOON + 900, 5000, (900, 100, "›")),
        (NOON - 100, 5000, (0, 1000, "‹›")),
        (0, 10, (0, 0, "‹")),
        (NOON + 10**12, 10, (1000, 0, "›")),
        (NOON + 100, -50, (100, 0, "")),
    ],
)
def test_a_bar_is_cut_to_the_root(start: int, length: int, expected: tuple[Any, ...]) -> None:
    assert AXIS.place(span(start, length)) == expected


def test_a_root_without_length_leaves_the_axis_to_all_spans() -> None:
    axis = TimeAxis.of([span(NOON, 0), span(NOON + 10, 30)], (NOON, NOON))
    assert axis == TimeAxis(NOON, 40)
    assert TimeAxis.of([], (0, 0)).total_ns == 1


@given(TIMES, TIMES, TIMES, TIMES)
def test_any_bar_lies_on_the_axis(begin: int, end: int, start: int, length: int) -> None:
    axis = TimeAxis.of([span(start, length)], (begin, end))
    left, width, _ = axis.place(span(start, length))
    assert 0 <= left <= left + width <= axis.total_ns
