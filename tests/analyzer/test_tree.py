from __future__ import annotations

from dataclasses import replace
from time import process_time

import pytest

from longpole.analyzer.explain import explain, other_trees
from longpole.analyzer.path_spans import spans_of_trace
from longpole.analyzer.repair import repair
from longpole.analyzer.reports.trace_report import trace_report
from longpole.analyzer.tree import RootKind, build_tree
from longpole.analyzer.verdict import verdict_of
from longpole.model.span import Span, SpanKind
from tests.analyzer.span_builders import span, trace

CLIENT, SERVER = SpanKind.CLIENT, SpanKind.SERVER


def parents(*spans: Span) -> tuple[list[int], set[str]]:
    """Parent index of each span in id order, and the problem codes."""
    repaired, problems = repair(spans_of_trace(trace(spans)))
    tree = build_tree(repaired)
    return tree.parents, {p.code for p in (*problems, *tree.problems)}


def test_a_shared_id_is_a_client_with_its_server_below() -> None:
    found, codes = parents(
        span(1, 0, 0, 99),
        span(2, 1, 10, 90, kind=SERVER, service="api"),  # index 2: it starts later
        span(2, 1, 5, 95, kind=CLIENT, service="web"),  # index 1
        span(3, 2, 20, 30, service="api"),
        span(4, 2, 20, 30, service="web"),
    )
    assert found == [-1, 0, 1, 2, 1]
    assert not codes


def test_other_repeated_ids_are_all_kept_and_reported() -> None:
    found, codes = parents(span(1, 0, 0, 99), span(2, 1, 0, 5), span(2, 1, 5, 9), span(3, 2, 6, 7))
    assert found == [-1, 0, 0, 1]
    assert codes == {"repeated_span_id"}


def test_exact_copies_count_once() -> None:
    one = span(1, 0, 0, 9, attributes={"list": ["a"]})
    e = explain(trace([one, replace(one), span(2, 1, 1, 2)]))
    assert len(e.spans) == 2
    assert [(p.code, p.count) for p in e.problems] == [("exact_duplicate", 1)]


def test_a_cycle_breaks_at_its_earliest_span_and_keeps_what_hangs_on_it() -> None:
    found, codes = parents(
        span(1, 4, 5, 9), span(2, 1, 3, 9), span(3, 2, 3, 9), span(4, 3, 7, 9), span(5, 4, 0, 9)
    )
    assert found == [3, -1, 1, 2, 3]  # 2 and 3 start together, 2 has the smaller id
    assert codes == {"parent_cycle", "headless"}


def test_two_cycles_are_broken_apart() -> None:
    found, _ = parents(span(1, 2, 0, 9), span(2, 1, 0, 9), span(3, 4, 5, 9), span(4, 3, 4, 9))
    assert found == [-1, 0, 3, -1]


def test_a_true_root_comes_before_longer_orphans() -> None:
    e = explain(trace([span(1, 0, 0, 5), span(2, 77, 0, 500), span(3, 0, 1, 6)]))
    assert e.spans.span_ids[e.root] == 1
    assert not e.completeness.headless
    assert e.completeness.orphans == 1
    assert e.tree.roots[1] is RootKind.ORPHAN


def test_backward_spans_get_no_duration_and_are_named() -> None:
    e = explain(trace([span(1, 0, 0, 9), span(2, 1, 8, 3)]))
    assert (e.spans.starts[1], e.spans.ends[1]) == (8, 8)
    assert [(p.code, p.span_ids) for p in e.problems] == [("end_before_start", (2,))]


def test_a_span_longer_than_64_bits_is_cut() -> None:
    e = explain(trace([span(1, 0, -(1 << 63), (1 << 63) - 1)]))
    assert e.duration_ns == (1 << 63) - 1
    assert [p.code for p in e.problems] == ["time_out_of_range", "duration_out_of_range"]


def test_times_after_the_year_2262_are_reported() -> None:
    e = explain(trace([span(1, 0, 0, 9), span(2, 1, -5, 9), span(3, 1, 7, -2)]))
    assert [(p.code, p.span_ids) for p in e.problems][0] == ("time_out_of_range", (2, 3))


@pytest.mark.parametrize("length", [pytest.param(5, marks=pytest.mark.full), None])
def test_a_hundred_thousand_spans_with_one_id_are_analysed(length: int | None) -> None:
    spans = [
        span(5, 1, i if length else 3, i + length if length else 8, name="x", attributes={"n": i})
        for i in range(100_000)
    ]
    begin = process_time()
    e = explain(trace([span(1, 0, 0, 9), *spans]))
    assert process_time() - begin < 20  # comparing each with each would take half an hour
    assert len(e.spans) == 100_001
    assert [(p.code, p.count) for p in e.problems] == [("repeated_span_id", 1)]


def test_a_value_of_another_type_makes_another_span() -> None:
    one, other = (span(1, 0, 0, 9, attributes={"n": n}) for n in (1, True))
    e = explain(trace([one, other]))
    assert "repeated_span_id" in {p.code for p in e.problems}
    nans = [span(1, 0, 0, 9, attributes={"n": float("nan")}) for _ in range(2)]
    assert len(explain(trace(nans)).spans) == 1


def test_a_trace_without_spans_is_explained_as_nothing() -> None:
    e = explain(trace([]))
    assert (e.root, e.duration_ns, len(e.segments), verdict_of(e, ())) == (-1, 0, 0, ())


def test_trees_beside_the_primary_one_have_their_own_paths() -> None:
    e = explain(
        trace(
            [
                span(1, 0, 0, 100),
                span(2, 1, 300, 400),  # nobody waited for it
                span(3, 2, 310, 320),
                span(4, 88, 50, 60),
                span(5, 0, 20, 30),
            ]
        )
    )
    beside = [
        (
            e.spans.span_ids[t.root],
            t.reason,
            t.span_count,
            [(e.spans.span_ids[s.span], s.start_unix_nano) for s in t.segments],
        )
        for t in other_trees(e)
    ]
    assert beside == [
        (5, "another-root", 1, [(5, 20)]),
        (4, "orphan", 1, [(4, 50)]),
        (2, "disjoint", 2, [(2, 300), (3, 310), (2, 320)]),
    ]
    assert e.completeness.detached == 1


# Those with one id take the same way and more.
@pytest.mark.full
def test_a_hundred_thousand_flat_spans_are_analysed() -> None:
    count = 100_000
    children = (span(i, 1, 10 * i, 10 * i + 7) for i in range(2, count + 1))
    e = explain(trace([span(1, 0, 0, 11 * count), *children]))
    assert len(e.path.visited) == count
    assert sum(e.critical_ns.values()) == e.duration_ns


def test_a_chain_of_twenty_thousand_spans_is_analysed() -> None:
    depth = 20_000
    e = explain(trace(span(i, i - 1, i, 3 * depth - i) for i in range(1, depth + 1)))
    assert len(e.path.visited) == depth
    assert sum(e.critical_ns.values()) == e.duration_ns


def test_a_cycle_of_a_hundred_thousand_spans_is_broken() -> None:
    count = 100_000
    e = explain(trace(span(i, i % count + 1, 5, 5 + i) for i in range(1, count + 1)))
    assert e.spans.span_ids[e.root] == 1
    assert e.completeness.headless


def test_further_roots_are_named_beside_the_longest() -> None:
    ms = 1_000_000
    others = [span(i, 0, 0, (700 - i) * ms, service="api", name=f"GET /{i}") for i in range(2, 6)]
    e = explain(trace([span(1, 0, 0, 900 * ms), *others]))
    (problem,) = e.problems
    assert (problem.code, problem.count, problem.span_ids) == ("several_roots", 4, (2, 3, 4, 5))
    assert problem.message == (
        "The trace has several roots; its path and verdict are those of the longest. Beside it: "
        "api › GET /2 698 ms, api › GET /3 697 ms, api › GET /4 696 ms and 1 more."
    )
    assert [root["duration_ns"] // ms for root in trace_report(e)["other_roots"]] == [
        698, 697, 696, 695,
    ]  # fmt: skip
    assert trace_report(explain(trace([span(1, 0, 0, 9)])))["other_roots"] == []
