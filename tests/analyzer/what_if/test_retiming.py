"""Changes of small traces with answers worked out by hand."""

from __future__ import annotations

import pytest

from longpole.analyzer.what_if.changes import parse_changes
from longpole.analyzer.what_if.edits import edits_of
from longpole.analyzer.what_if.loops import PLAIN
from longpole.analyzer.what_if.prediction import predict, retimed_roots
from longpole.analyzer.what_if.ranking import rank
from longpole.analyzer.what_if.slack import drag, slacks
from tests.analyzer.span_builders import span, trace
from tests.analyzer.what_if.supposing import lines_of, supposed

# root |----------------------------------------------------------------| 0 to 100
#   a      |---------------|                                              10 to 40
#   b      |-----------------------|                                      10 to 50
#   c                                   |------------|                    60 to 90
SIDE_BY_SIDE = trace(
    [
        span(1, 0, 0, 100, name="root"),
        span(2, 1, 10, 40, name="a"),
        span(3, 1, 10, 50, name="b"),
        span(4, 1, 60, 90, name="c"),
    ]
)


@pytest.mark.parametrize(
    ("changes", "length"),
    [
        (["a/a: -100%"], 100),  # b holds c up anyway
        (["a/b: -100%"], 90),  # then a does
        (["a/b: -100%", "a/a: -100%"], 60),
        (["a/b: -10%"], 96),
        (["a/a: +50%"], 105),  # 10 are its slack
        (["a/c: cap 5ns"], 75),
        (["a/*: cap 5ns"], 5),
        (["a/c: removed", "a/b: cap 35ns"], 65),
        (["a/root: -50%"], 85),  # 10 before, 10 between, 10 after
        (["a/root: own cap 15ns"], 85),
        (["a/root: whole -50%"], 50),
        (["a/root: cap 70ns"], 70),
        (["a/c: +7ns"], 107),
        (["a/c: -7ns"], 93),
        (["a/c: -70ns"], 70),
        (["a/c: cached 100%"], 70),
        (["a/c: cached 0%"], 100),
        (["a/*: parallel"], 60),  # c begins with a; b ends at 50, then the tail
        (["a/b: parallel"], 100),  # alone it has nobody to begin with
    ],
)
def test_what_becomes_of_the_root(changes: list[str], length: int) -> None:
    assert supposed(SIDE_BY_SIDE, *changes) == length


def test_changes_hold_in_any_order() -> None:
    changes = ["a/b: -50%", "a/b: cap 15ns", "a/*: +3ns", "a/?: once", "a/b: whole -20%"]
    assert supposed(SIDE_BY_SIDE, *changes) == supposed(SIDE_BY_SIDE, *reversed(changes))


def test_once_leaves_the_last_of_several_and_no_pause() -> None:
    # An attempt at 10, 30 and 50, each 10 long, with other work at 70.
    calls = [span(n + 2, 1, 10 + 20 * n, 20 + 20 * n, name="try") for n in range(3)]
    tree = trace([span(1, 0, 0, 100), *calls, span(9, 1, 70, 80, name="other")])
    assert supposed(tree, "a/try: once") == 10 + 10 + 10 + 10 + 20


def test_a_call_within_a_call_of_the_same_change_shrinks_once() -> None:
    tree = trace([span(1, 0, 0, 80), span(2, 1, 0, 80, name="f"), span(3, 2, 0, 40, name="f")])
    assert supposed(tree, "a/f: whole -50%") == 40
    assert supposed(tree, "a/f: -50%") == 40


def test_nothing_comes_of_calls_that_nobody_waited_for() -> None:
    tree = trace([span(1, 0, 0, 10, name="root"), span(2, 1, 5, 9_000_000, name="late")])
    lines = lines_of(tree)
    edits, (reach,) = edits_of(lines, parse_changes(["a/late: removed"]))
    assert reach.spans == 0
    assert retimed_roots(lines, edits, PLAIN).tolist() == [10]


def test_a_higher_share_of_hits_keeps_the_hits_and_comes_near_the_share() -> None:
    calls = [span(n + 2, 1, 2 * n, 2 * n + 1, name="call") for n in range(2_000)]
    lines = lines_of(trace([span(1, 0, 0, 4_000, name="root"), *calls]))
    hits = []
    for percent in (20, 50, 80):
        edits, (reach,) = edits_of(lines, parse_changes([f"a/call: cached {percent}%"]))
        hits.append(set((edits.whole_parts == 0).nonzero()[0].tolist()))
        assert reach.changed == pytest.approx(20 * percent, abs=100)
    assert hits[0] < hits[1] < hits[2]


def test_slack_and_drag_of_calls_side_by_side() -> None:
    lines = lines_of(SIDE_BY_SIDE)
    named = {lines.operation_names[code][1]: n for n, code in enumerate(lines.operations.tolist())}
    slack = slacks(lines)
    assert {name: slack[n] for name, n in named.items()} == {"root": 0, "a": 10, "b": 0, "c": 0}
    drags = {name: drag(lines, n) for name, n in named.items()}
    assert drags == {"root": 100, "a": 0, "b": 10, "c": 30}


def test_every_root_operation_has_its_own_percentiles() -> None:
    def other(length: int) -> list[object]:
        return [span(1, 0, 0, length, name="other"), span(2, 1, 0, length - 2, name="c")]

    quick = [trace([span(1, 0, 0, 10 * n, name="quick")]) for n in range(1, 5)]
    lines = lines_of(SIDE_BY_SIDE, *quick, *(trace(other(n)) for n in (12, 22)))  # type: ignore[arg-type]
    found = predict(lines, parse_changes(["a/c: -50%"]), PLAIN)
    assert [reach.traces for reach in found.reaches] == [3]
    by_name = {outcome.root[1]: outcome for outcome in found.outcomes}
    assert [o.root[1] for o in found.outcomes] == ["other", "root", "quick"]
    quick_outcome = by_name["quick"]
    assert quick_outcome.observed == quick_outcome.predicted
    assert (quick_outcome.observed.mean_ns, quick_outcome.observed.p50_ns) == (25, 20)
    assert (quick_outcome.traces, quick_outcome.affected) == (4, 0)
    assert by_name["other"].predicted.p95_ns == 12
    assert by_name["other"].affected == 2


def test_operations_are_ranked_by_what_they_gain_and_not_by_their_time() -> None:
    # The longest operation runs beside one that is nearly as long.
    tree = trace(
        [
            span(1, 0, 0, 100, name="root"),
            span(2, 1, 0, 60, name="longest"),
            span(3, 1, 0, 58, name="beside"),
            span(4, 1, 60, 100, name="last"),
        ]
    )
    ranking = rank(lines_of(tree, tree), PLAIN)
    assert [(g.operation[1], g.saved_ns) for g in ranking.gains] == [
        ("last", (8, 40, 80)),
        ("longest", (4, 4, 4)),
    ]
    (root,) = ranking.gains[0].roots
    assert (root.traces, root.affected, root.observed.p95_ns) == (2, 2, 100)
    assert [spread.p95_ns for spread in root.predicted] == [96, 80, 60]


def test_the_ranking_agrees_with_asking_for_each_change() -> None:
    lines = lines_of(SIDE_BY_SIDE)
    for gain in rank(lines, PLAIN).gains:
        changes = [f"{gain.operation[0]}/{gain.operation[1]}: -{p}%" for p in (10, 50, 100)]
        assert gain.saved_ns == tuple(100 - supposed(SIDE_BY_SIDE, change) for change in changes)
