"""What always holds of retiming; [18] is the number in the definition of the critical path."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analyzer.columnar.retiming import PARTS
from longpole.analyzer.critical_path import Overflow, PathOptions
from longpole.analyzer.explain import explain
from longpole.analyzer.what_if.edits import no_edits
from longpole.analyzer.what_if.loops import PLAIN
from longpole.analyzer.what_if.prediction import retimed_roots
from longpole.analyzer.what_if.slack import drag, slacks
from longpole.model.trace import Trace
from tests.analyzer.random_trees import any_spans, modes, nested_trees, trees
from tests.analyzer.what_if.supposing import everything_again, grown, lines_of

some_trees = st.one_of(trees(), nested_trees())
exact = st.sampled_from([PathOptions(), PathOptions(Overflow.CLIP), PathOptions(tau_ns=0)])
Claim = Callable[[Trace, PathOptions, int], None]


def nothing_changes_without_a_change(tree: Trace, options: PathOptions, _: int) -> None:
    lines = lines_of(tree, options=options)
    again = retimed_roots(lines, everything_again(no_edits(lines)), PLAIN)
    assert again.tolist() == [explain(tree, options).duration_ns]


def own_times_on_the_path_are_those_of_the_path(tree: Trace, options: PathOptions, _: int) -> None:
    e = explain(tree, options)
    lines = lines_of(tree, options=options)
    found = {
        int(span): int(own)
        for span, own, is_on_path in zip(lines.spans, lines.own, lines.is_on_path, strict=True)
        if is_on_path and own
    }
    assert found == e.critical_ns


def growth_within_the_slack_is_free(tree: Trace, options: PathOptions, _: int) -> None:
    lines = lines_of(tree, options=options)
    root = int(lines.root_lengths[0])
    for span, slack in enumerate(slacks(lines)):
        assert slack >= 0
        assert grown(lines, {span: slack}) == root
        assert grown(lines, {span: slack + 1}) == root + 1
        assert not lines.is_on_path[span] or slack == 0


def shrinking_off_the_path_is_worth_nothing(tree: Trace, options: PathOptions, by: int) -> None:
    lines = lines_of(tree, options=options)
    root = int(lines.root_lengths[0])
    off = np.flatnonzero(lines.is_on_path == 0).tolist()
    assert grown(lines, dict.fromkeys(off, -by)) == root
    edits = everything_again(no_edits(lines))
    edits.own_parts[off] = 0
    assert retimed_roots(lines, edits, PLAIN).tolist() == [root]
    assert all(drag(lines, span) == 0 for span in off)


def the_root_moves_with_the_change_and_no_further(
    tree: Trace, options: PathOptions, seed: int
) -> None:
    lines = lines_of(tree, options=options)
    targets = [n for n in range(lines.low.size) if (seed * 7 + n * 5) % 3 == 0]
    moved = [grown(lines, dict.fromkeys(targets, by)) for by in range(-6, 7)]
    root = int(lines.root_lengths[0])
    assert moved[6] == root
    assert moved == sorted(moved)
    for by, length in zip(range(-6, 7), moved, strict=True):
        assert abs(length - root) <= abs(by) * len(targets)


def more_of_its_own_time_never_makes_it_faster(
    tree: Trace, options: PathOptions, seed: int
) -> None:
    lines = lines_of(tree, options=options)
    targets = [n for n in range(lines.low.size) if (seed + n) % 2 == 0]
    found = []
    for parts in (0, PARTS // 10, PARTS // 2, PARTS - 1, PARTS, PARTS + 1, 3 * PARTS):
        edits = everything_again(no_edits(lines))
        edits.own_parts[targets] = parts
        found.append(int(retimed_roots(lines, edits, PLAIN)[0]))
    assert found == sorted(found)
    assert found[4] == lines.root_lengths[0]


CLAIMS: list[Claim] = [
    nothing_changes_without_a_change,
    own_times_on_the_path_are_those_of_the_path,
    growth_within_the_slack_is_free,
    shrinking_off_the_path_is_worth_nothing,
    the_root_moves_with_the_change_and_no_further,
    more_of_its_own_time_never_makes_it_faster,
]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
@settings(max_examples=30, deadline=None)
@given(some_trees, exact, st.integers(1, 9))
def test_claims_on_a_few_trees(
    claim: Claim, tree: Trace, options: PathOptions, number: int
) -> None:  # [18]
    claim(tree, options, number)


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
@settings(max_examples=5_000, deadline=None)
@given(some_trees, exact, st.integers(1, 9))
def test_claims_on_thousands_of_trees(
    claim: Claim, tree: Trace, options: PathOptions, number: int
) -> None:  # [18]
    claim(tree, options, number)


@settings(max_examples=60, deadline=None)
@given(any_spans(), modes)
def test_whatever_is_sent_takes_as_long_as_it_took(tree: Trace, options: PathOptions) -> None:
    e = explain(tree, options)
    lines = lines_of(tree, options=options)
    again = retimed_roots(lines, everything_again(no_edits(lines)), PLAIN).tolist()
    assert again == ([] if lines.left_out or e.root < 0 else [e.duration_ns])
