"""The compiled retiming gives what the plain one gives."""

from __future__ import annotations

from dataclasses import replace

import pytest

from longpole.analyzer.path_spans import spans_of_trace
from longpole.analyzer.what_if.changes import parse_changes
from longpole.analyzer.what_if.edits import edits_of
from longpole.analyzer.what_if.loops import PLAIN, compiled_loops
from longpole.analyzer.what_if.prediction import retimed_roots
from longpole.analyzer.what_if.ranking import rank
from longpole.analyzer.what_if.timelines import timelines
from tests.analyzer.columnar.seeded_traces import seeded_traces

CHANGES = [
    ["a/*: -30%"],
    ["*/GET: whole +50%", "b/*: cap 3ns"],
    ["*/op: parallel", "*/GET: once", "c/*: own cap 2ns"],
    ["*/*: cached 40%", "a/POST: +7ns", "b/GET: -2ns"],
]


def agrees(seed: int, count: int) -> None:
    sent = [spans_of_trace(one) for one in seeded_traces(seed, count)]
    compiled = compiled_loops()
    plain_lines, lines = timelines(sent, PLAIN), timelines(sent, compiled)
    for name in ("absorb", "gap", "tail", "place_of", "own", "is_on_path"):
        assert getattr(lines, name).tolist() == getattr(plain_lines, name).tolist(), name
    for texts in CHANGES:
        edits, _ = edits_of(lines, parse_changes(texts))
        for one in (edits, replace(edits, is_edited=edits.is_edited * 0 + 1)):
            expected = retimed_roots(lines, one, PLAIN).tolist()
            assert retimed_roots(lines, one, compiled).tolist() == expected
    assert rank(lines, compiled) == rank(lines, PLAIN)


@pytest.mark.timeout(900)  # with an empty cache it compiles first
def test_compiled_loops_agree_with_the_plain_ones() -> None:
    agrees(5, 400)


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(20))
def test_compiled_loops_agree_on_thousands_of_traces(seed: int) -> None:
    agrees(seed, 1_000)
