"""Two traces as one tree: differences add up exactly, and a sentence says what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analyzer.compare.merged_tree import SidePaths, mean_duration_ns, merged_tree
from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.reports.compare_traces_report import (
    TraceSide,
    compare_traces_report,
    side_of_trace,
)
from longpole.model.span import Span
from tests.analyzer.random_trees import trees
from tests.analyzer.span_builders import span, trace

MS = 1_000_000
few = settings(max_examples=50, deadline=None)


def side(explained: Sequence[Explanation]) -> SidePaths:
    paths = SidePaths()
    for one in explained:
        paths.add(one)
    return paths


@few
@given(st.lists(trees().map(explain), min_size=1, max_size=3), trees().map(explain))
def test_the_nodes_add_up_to_the_whole_difference(
    base: list[Explanation], head: Explanation
) -> None:
    before, after = side(base), side([head])
    nodes = merged_tree(before, after)
    whole = mean_duration_ns(after) - mean_duration_ns(before)
    assert sum(node.difference_ns for node in nodes) == whole
    assert sum(node.inclusive_difference_ns for node in nodes if not node.depth) == whole
    for place, node in enumerate(nodes):
        below = []
        for other in nodes[place + 1 :]:
            if other.depth <= node.depth:
                break
            if other.depth == node.depth + 1:
                below.append(other)
        for of in ("base", "head"):
            figures = getattr(node, of)
            inner = sum(getattr(child, of).inclusive_ns for child in below)
            assert figures.inclusive_ns == figures.critical_ns + inner


def chains(e: Explanation) -> Counter[tuple[tuple[str, str], ...]]:
    """How often each chain of calls comes in a trace, found by walking up from every span."""
    counts: Counter[tuple[tuple[str, str], ...]] = Counter()
    for index in range(len(e.spans)):
        chain = []
        while index >= 0:
            chain.append((e.spans.services[index], e.spans.names[index]))
            index = e.tree.parents[index]
        counts[tuple(reversed(chain))] += 1
    return counts


@few
@given(trees().map(explain), trees().map(explain))
def test_every_chain_of_either_trace_is_one_node_with_its_calls(
    base: Explanation, head: Explanation
) -> None:
    chain: list[tuple[str, str]] = []
    found: dict[tuple[tuple[str, str], ...], tuple[int, int]] = {}
    for node in merged_tree(side([base]), side([head])):
        chain = [*chain[: node.depth], (node.service, node.operation)]
        assert tuple(chain) not in found
        found[tuple(chain)] = int(node.base.calls), int(node.head.calls)
    before, after = chains(base), chains(head)
    assert found == {key: (before[key], after[key]) for key in {*before, *after}}


@few
@given(st.lists(trees().map(explain), min_size=1, max_size=3), trees().map(explain))
def test_the_terms_of_a_report_add_up_to_the_same_difference(
    base: list[Explanation], head: Explanation
) -> None:
    report = compare_traces_report(TraceSide("typical", base, base[0]), side_of_trace("B", head))
    whole = report["compared"]["difference_ns"]
    assert sum(term["difference_ns"] for term in report["terms"]) == whole
    assert sum(node["difference_ns"] for node in report["nodes"]) == whole


def reported(base: list[Span], head: list[Span]) -> dict[str, Any]:
    return compare_traces_report(
        side_of_trace("A", explain(trace(base))), side_of_trace("B", explain(trace(head)))
    )


def queries(count: int, each_ms: int, more_ms: int = 0) -> list[Span]:
    """A root with so many queries in a row."""
    spans = [span(1, 0, 0, (10 + count * each_ms + more_ms) * MS, name="GET /")]
    for place in range(count):
        start = (5 + place * each_ms) * MS
        spans.append(span(place + 2, 1, start, start + each_ms * MS, service="db", name="SELECT"))
    return spans


def test_more_calls_are_said_with_both_numbers() -> None:
    report = reported(queries(1, 30), queries(48, 30))
    assert report["verdict_line"] == "B is 1.41 s slower than A: 48 × db › SELECT instead of 1."
    (node,) = [n for n in report["nodes"] if n["operation"] == "SELECT"]
    assert (node["base"]["calls"], node["head"]["calls"], node["only_in"]) == (1, 48, None)
    assert node["difference_ns"] == 47 * 30 * MS


def test_a_call_that_takes_longer_is_said_with_both_times() -> None:
    line = reported(queries(1, 900), queries(1, 20))["verdict_line"]
    assert line == "B is 880 ms faster than A: db › SELECT takes 20 ms instead of 900 ms."


def test_a_call_of_one_side_alone_is_said_to_be() -> None:
    report = reported(queries(0, 1), queries(2, 100))
    assert report["verdict_line"] == (
        "B is 200 ms slower than A: 2 × db › SELECT, only in B (200 ms)."
    )
    assert [n["only_in"] for n in report["nodes"]] == [None, "head"]


def test_equal_traces_take_as_long_as_each_other() -> None:
    report = reported(queries(3, 10), queries(3, 10))
    assert report["verdict_line"] == "B takes as long as A."
    assert report["terms"] == []


def test_what_makes_up_for_each_other_is_told_though_the_times_are_equal() -> None:
    line = reported(queries(1, 100), queries(0, 1, more_ms=100))["verdict_line"]
    assert line.startswith("B takes as long as A, but: ")
    assert "db › SELECT, only in A" in line


def test_other_requests_are_compared_with_a_remark() -> None:
    report = reported([span(1, 0, 0, MS, name="GET /a")], [span(1, 0, 0, 3 * MS, name="GET /b")])
    assert report["compared"]["difference_ns"] == 2 * MS
    assert any("different requests" in notice for notice in report["notices"])
