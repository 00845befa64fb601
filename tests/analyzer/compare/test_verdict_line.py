"""The first line of a comparison says what changed, and does not seem to contradict itself."""

from __future__ import annotations

import pytest

from longpole.analyzer.compare.columns import Scope
from longpole.analyzer.compare.noise import Change, Changes
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
