"""The invariants of the critical path; the numbers in brackets are those of its definition."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analyzer.critical_path import Overflow, PathOptions
from longpole.analyzer.explain import explain
from longpole.analyzer.findings.detect import detect
from longpole.analyzer.labels import Label
from longpole.analyzer.path_aggregate import PathAggregate, merged
from longpole.analyzer.reports.trace_report import trace_report
from longpole.analyzer.verdict import is_unusual, verdict_of
from longpole.model.finding import FindingSeverity
from longpole.model.span import Span
from longpole.model.trace import Trace
from longpole.storage.ports import PATH_GROUP_COLUMNS
from tests.analyzer.oracle import owner_by_instant
from tests.analyzer.random_trees import any_spans, modes, nested_trees, owned, trees
from tests.analyzer.span_builders import span, trace
from tests.effort import examples

few = examples(60, 150)
many = examples(250, 800)
thousands = settings(max_examples=20_000, deadline=None)
CLIP = PathOptions(Overflow.CLIP)
DETACH = PathOptions(Overflow.DETACH, 0, 0)


def agrees_with_the_oracle(tree: Trace, options: PathOptions) -> None:
    path = owned(explain(tree, options))
    found = {t: span_id for span_id, start, end in path for t in range(start, end)}
    assert found == owner_by_instant(tree, options)


@examples(600, 2_500)
@given(trees(), modes)
def test_the_path_is_the_one_of_the_definition_at_every_instant(
    tree: Trace, options: PathOptions
) -> None:  # [15]
    agrees_with_the_oracle(tree, options)


@pytest.mark.full
@pytest.mark.timeout(600)
@thousands
@given(trees(), modes)
def test_the_path_is_the_one_of_the_definition_on_thousands_of_trees(
    tree: Trace, options: PathOptions
) -> None:  # [15]
    agrees_with_the_oracle(tree, options)


@many
@given(st.one_of(trees(), any_spans()), modes)
def test_segments_partition_the_root(tree: Trace, options: PathOptions) -> None:  # [1, 5, 16]
    e = explain(tree, options)
    at = e.start_unix_nano
    for s in e.segments:
        assert s.start_unix_nano == at
        assert s.end_unix_nano > at
        at = s.end_unix_nano
    assert at == e.start_unix_nano + e.duration_ns
    assert sum(e.critical_ns.values()) == e.duration_ns
    findings = detect(e)
    verdict = verdict_of(e, findings)
    assert verdict_of(e, findings, most=1) == verdict[:1]
    assert is_unusual(verdict) == any(f.severity is not FindingSeverity.INFO for f in findings)
    assert bool(verdict) == (e.duration_ns > 0 or is_unusual(verdict))
    assert sum(entry.critical_ns for entry in verdict) <= e.duration_ns


@few
@given(trees(), modes)
def test_windows_nest_and_hold_their_segments(tree: Trace, options: PathOptions) -> None:  # [2, 3]
    e = explain(tree, options)
    low, high = e.windows.starts, e.windows.ends
    on_path = set(e.path.visited)
    for s in e.segments:
        assert low[s.span] <= s.start_unix_nano < s.end_unix_nano <= high[s.span]
        assert s.span in on_path
    for index, children in enumerate(e.windows.blocking):
        for child in children:
            assert low[index] <= low[child] <= high[child] <= high[index]
    for index in on_path - {e.root}:
        assert e.tree.parents[index] in on_path


@examples(150, 600)
@given(trees(), modes)
def test_overlapped_segments_name_exactly_the_children_that_run(
    tree: Trace, options: PathOptions
) -> None:
    e = explain(tree, options)
    low, high = e.windows.starts, e.windows.ends
    for s in e.segments:
        start, end = s.start_unix_nano, s.end_unix_nano
        running = [c for c in e.windows.blocking[s.span] if max(low[c], start) < min(high[c], end)]
        assert list(s.covering) == running
        assert s.covering_count == len(running)
        assert (s.label is Label.SELF_OVERLAPPED) == bool(running)
        for instant in range(start, end) if running else ():
            assert any(low[c] <= instant < high[c] for c in running)


@few
@given(trees(), modes)
def test_sibling_subtrees_take_turns(tree: Trace, options: PathOptions) -> None:  # [4]
    e = explain(tree, options)
    hulls: dict[int, tuple[int, int]] = {}
    for s in e.segments:
        index = s.span
        while index >= 0:
            start, end = hulls.get(index, (s.start_unix_nano, s.end_unix_nano))
            hulls[index] = (min(start, s.start_unix_nano), max(end, s.end_unix_nano))
            index = e.tree.parents[index]
    by_parent: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for index, hull in hulls.items():
        by_parent[e.tree.parents[index]].append(hull)
    for siblings in by_parent.values():
        siblings.sort()
        for one, following in zip(siblings, siblings[1:], strict=False):
            assert one[1] <= following[0]


@few
@given(st.one_of(trees(), any_spans()), modes, st.randoms(use_true_random=False))
def test_the_order_of_arrival_never_shows(
    tree: Trace, options: PathOptions, random: Random
) -> None:
    # [6]
    shuffled = list(tree.spans)
    random.shuffle(shuffled)
    one = trace_report(explain(tree, options), tree, include_spans=True)
    assert trace_report(explain(trace(shuffled), options), tree, include_spans=True) == one


@few
@given(trees(), modes, st.integers(-1000, 10**18), st.integers(1, 1000))
def test_shifting_and_scaling_time_shifts_and_scales_the_path(
    tree: Trace, options: PathOptions, shift: int, scale: int
) -> None:  # [7]
    def moved(t: int) -> int:
        return t * scale + shift

    options = replace(options, tau_ns=options.tau_ns or 0)
    scaled = PathOptions(options.overflow, options.eps_ns * scale, (options.tau_ns or 0) * scale)
    there = trace(
        replace(s, start_unix_nano=moved(s.start_unix_nano), end_unix_nano=moved(s.end_unix_nano))
        for s in tree.spans
    )
    e, f = explain(tree, options), explain(there, scaled)
    assert [
        s._replace(start_unix_nano=moved(s.start_unix_nano), end_unix_nano=moved(s.end_unix_nano))
        for s in e.segments
    ] == list(f.segments)


@few
@given(trees(), modes, st.integers(1, 2**50))
def test_renaming_spans_in_order_renames_them_in_the_path(
    tree: Trace, options: PathOptions, factor: int
) -> None:  # [8]
    renamed = trace(
        replace(s, span_id=s.span_id * factor, parent_span_id=s.parent_span_id * factor)
        for s in tree.spans
    )
    e, f = explain(tree, options), explain(renamed, options)
    assert e.segments == f.segments
    assert [i * factor for i in e.spans.span_ids] == f.spans.span_ids


@few
@given(trees(), modes, st.data())
def test_spans_off_the_path_may_as_well_be_missing(
    tree: Trace, options: PathOptions, data: st.DataObject
) -> None:  # [9]
    e = explain(tree, options)
    on_path = {e.spans.span_ids[i] for i in e.path.visited}
    off_path = sorted({s.span_id for s in tree.spans} - on_path)
    gone = set(data.draw(st.sets(st.sampled_from(off_path)))) if off_path else set()
    for s in sorted(tree.spans, key=lambda s: s.span_id):  # parents have the smaller ids
        if s.parent_span_id in gone:
            gone.add(s.span_id)
    rest = trace(s for s in tree.spans if s.span_id not in gone)
    assert owned(explain(rest, options)) == owned(e)
    only = trace(s for s in tree.spans if s.span_id in on_path)
    assert owned(explain(only, options)) == owned(e)


@few
@given(trees(), modes, st.integers(1, 8), st.integers(-2, 40))
def test_a_span_without_duration_changes_no_path(
    tree: Trace, options: PathOptions, parent: int, at: int
) -> None:  # [10]
    parent_id = min(parent, len(tree.spans))
    more = trace((*tree.spans, span(99, parent_id, at, at)))
    assert owned(explain(more, options)) == owned(explain(tree, options))


@few
@given(trees(), modes)
def test_a_child_that_covers_a_leaf_takes_its_segments(tree: Trace, options: PathOptions) -> None:
    # [11]
    path = owned(explain(tree, options))
    parents = {s.parent_span_id for s in tree.spans}
    for leaf in tree.spans:
        if leaf.span_id in parents or leaf.kind == 4:
            continue
        cover = replace(leaf, span_id=leaf.span_id + 100, parent_span_id=leaf.span_id, kind=1)
        covered = owned(explain(trace((*tree.spans, cover)), options))
        assert covered == [
            (i + 100 if i == leaf.span_id else i, start, end) for i, start, end in path
        ]


@few
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=12), modes)
def test_sequential_children_leave_the_parent_the_gaps(
    gaps_and_lengths: list[tuple[int, int]], options: PathOptions
) -> None:  # [12]
    at = 10
    children: list[Span] = []
    for place, (gap, length) in enumerate(gaps_and_lengths):
        children.append(span(place + 2, 1, at + gap, at + gap + length))
        at += gap + length
    e = explain(trace([span(1, 0, 7, at + 5), *children]), options)
    own = {e.spans.span_ids[i]: ns for i, ns in e.critical_ns.items()}
    for child in children:
        assert own.get(child.span_id, 0) == child.duration_ns
    assert own[1] == at - 2 - sum(c.duration_ns for c in children)


@few
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(11, 20)), min_size=1, max_size=8))
def test_of_children_that_all_overlap_one_is_on_the_path(times: list[tuple[int, int]]) -> None:
    # [12]
    spans = [span(1, 0, 0, 30)] + [span(i + 2, 1, s, e) for i, (s, e) in enumerate(times)]
    assert len(explain(trace(spans), CLIP).path.visited) == 2


@few
@given(trees())
def test_detaching_only_takes_spans_out_of_the_primary_tree(tree: Trace) -> None:  # [13]
    def outside(options: PathOptions) -> set[int]:
        e = explain(tree, options)
        gone: set[int] = set()
        for index in e.tree.order:
            if index in e.detached or e.tree.parents[index] in gone:
                gone.add(index)
        return gone

    assert outside(DETACH) >= outside(CLIP)


@few
@given(nested_trees())
def test_both_modes_agree_when_no_child_leaves_its_parent(tree: Trace) -> None:  # [13]
    assert explain(tree, DETACH).segments == explain(tree, CLIP).segments


@few
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=12), st.integers(0, 50))
def test_the_tolerance_changes_nothing_where_siblings_do_not_overlap(
    gaps_and_lengths: list[tuple[int, int]], eps_ns: int
) -> None:  # [14]
    at = 0
    spans = []
    for place, (gap, length) in enumerate(gaps_and_lengths):
        spans.append(span(place + 2, 1, at + gap, at + gap + length))
        at += gap + length
    whole = trace([span(1, 0, 0, at), *spans])
    assert owned(explain(whole, PathOptions(eps_ns=eps_ns))) == owned(explain(whole))


@few
@given(st.lists(st.one_of(trees(), any_spans()), max_size=5), st.randoms(use_true_random=False))
def test_sums_merge_in_any_order_and_grouping(several: list[Trace], random: Random) -> None:  # [16]
    parts: list[PathAggregate] = []
    at_once = PathAggregate(PATH_GROUP_COLUMNS)
    for one in several:
        part = PathAggregate(PATH_GROUP_COLUMNS)
        part.add(explain(one))
        at_once.add(explain(one))
        parts.append(part)
    durations = sum(at_once.root_durations_ns)
    assert durations == sum(explain(one).duration_ns for one in several)
    assert sum(total.critical_ns for total in at_once.groups.values()) == durations
    random.shuffle(parts)
    cut = random.randint(0, len(parts))
    halves = [merged(parts[:cut], PATH_GROUP_COLUMNS), merged(parts[cut:], PATH_GROUP_COLUMNS)]
    assert merged(halves, PATH_GROUP_COLUMNS).ranked() == at_once.ranked()


@many
@given(any_spans(), modes)
def test_no_spans_whatsoever_break_the_analysis(tree: Trace, options: PathOptions) -> None:  # [20]
    e = explain(tree, options)
    document = trace_report(e, tree, include_spans=True)
    assert len(document["spans"]) == len(e.spans)
    codes = {problem.code for problem in e.problems}
    ids = [s.span_id for s in tree.spans]
    if any(s.end_unix_nano < s.start_unix_nano for s in tree.spans):
        assert "end_before_start" in codes
    if any(s.span_id == s.parent_span_id and ids.count(s.span_id) == 1 for s in tree.spans):
        assert "parent_cycle" in codes
    if tree.spans and all(s.parent_span_id for s in tree.spans):
        assert "headless" in codes
        assert e.completeness.headless


@pytest.mark.full
@pytest.mark.timeout(600)
@thousands
@given(any_spans(), modes)
def test_no_spans_break_the_analysis_in_thousands_of_tries(
    tree: Trace, options: PathOptions
) -> None:  # [20]
    document = trace_report(explain(tree, options), tree, include_spans=True)
    assert document["duration_ns"] >= 0
