"""Mean, tail and variance split by group: exact, mergeable, and equal to brute force."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analyzer.apportion import apportioned
from longpole.analyzer.explain import Explanation
from longpole.analyzer.path_aggregate import Group
from longpole.analyzer.tail import tail_of
from longpole.analyzer.times_by_trace import Cells
from longpole.analyzer.variance import Moments, moments_of, variance_of
from longpole.model.trace import Trace
from tests.analyzer.random_times import explained, many_traces, times_of

GROUPINGS = st.sampled_from(
    [("service",), ("service", "operation", "label"), ("edge",), ("root_operation", "call_path")]
)


@given(st.lists(st.fractions(), max_size=12), st.sampled_from((1, 10**6)))
def test_apportioned_parts_add_up_to_the_rounded_sum(parts: list[Fraction], scale: int) -> None:
    whole = apportioned(parts, scale)
    assert sum(whole) == round(sum(parts) * scale)
    assert all(abs(one - part * scale) < 1 for one, part in zip(whole, parts, strict=True))


@settings(max_examples=40)
@given(many_traces(), GROUPINGS)
def test_cells_of_every_trace_add_up_to_its_duration(
    traces: list[Trace], group_by: tuple[str, ...]
) -> None:
    times = times_of(traces, group_by)
    sums = [0] * len(times.trace_ids)
    for cells in times.groups.values():
        for place, critical_ns in zip(cells.places, cells.critical_ns, strict=True):
            sums[place] += critical_ns
    assert sums == times.durations_ns


@settings(max_examples=40)
@given(many_traces(), GROUPINGS)
def test_tail_differences_add_up_to_the_difference_of_root_durations(
    traces: list[Trace], group_by: tuple[str, ...]
) -> None:
    tail = tail_of(times_of(traces, group_by), least_traces=3)
    groups = tail.groups.values()
    assert sum(one.slow_ns for one in groups) == tail.roots.slow_ns
    assert sum(one.typical_ns for one in groups) == tail.roots.typical_ns
    assert sum(one.difference_ns for one in groups) == tail.roots.difference_ns >= 0


@settings(max_examples=40)
@given(many_traces())
def test_the_tail_equals_what_its_definition_gives(traces: list[Trace]) -> None:
    tail = tail_of(times_of(traces, ("service",)), least_traces=3)
    by_operation: dict[str, list[Explanation]] = defaultdict(list)
    for one in explained(traces):
        by_operation[one.spans.names[one.root]].append(one)
    slow_sum: dict[Group, Fraction] = defaultdict(Fraction)
    typical_sum: dict[Group, Fraction] = defaultdict(Fraction)
    slow_count = 0
    for each in by_operation.values():
        each.sort(key=lambda e: (e.duration_ns, e.trace_id))
        if len(each) < 3:
            continue

        def rank(percent: int, count: int = len(each)) -> int:
            return max(1, -(-percent * count // 100))

        slow = each[rank(95) - 1 : rank(99)]
        typical = each[rank(45) - 1 : rank(55)]
        slow_count += len(slow)
        for service in "ab":
            slow_sum[(service,)] += sum(_held(e, service) for e in slow)
            mean = Fraction(sum(_held(e, service) for e in typical), len(typical))
            typical_sum[(service,)] += mean * len(slow)
    assert tail.slow_count == slow_count
    for group, compared in tail.groups.items():
        assert compared.slow_ns * slow_count == slow_sum[group]
        assert compared.typical_ns * slow_count == typical_sum[group]


def _held(explanation: Explanation, service: str) -> int:
    return sum(
        s.end_unix_nano - s.start_unix_nano
        for s in explanation.segments
        if explanation.spans.services[s.span] == service
    )


@settings(max_examples=40)
@given(many_traces(), GROUPINGS)
def test_shares_of_the_variance_add_up_to_one(
    traces: list[Trace], group_by: tuple[str, ...]
) -> None:
    variance = variance_of(moments_of(times_of(traces, group_by)))
    shares = variance.groups.values()
    assert sum(one.share for one in shares) == (1 if variance.variance else 0)
    assert sum(one.within for one in shares) == variance.within
    assert 0 <= variance.within <= 1


@settings(max_examples=40)
@given(many_traces())
def test_shares_of_the_variance_equal_covariances_by_definition(traces: list[Trace]) -> None:
    variance = variance_of(moments_of(times_of(traces, ("service",))))
    each = explained(traces)
    durations = [e.duration_ns for e in each]
    mean = Fraction(sum(durations), len(each))
    assert variance.variance == sum((d - mean) ** 2 for d in durations) / len(each)
    for (service,), share in variance.groups.items():
        held = [_held(e, str(service)) for e in each]
        own = Fraction(sum(held), len(each))
        covariance = sum((x - own) * (r - mean) for x, r in zip(held, durations, strict=True))
        assert share.share * variance.variance == covariance / len(each)


@settings(max_examples=40)
@given(many_traces(), st.integers(0, 25), st.integers(0, 25))
def test_parts_merge_in_any_order_and_grouping(traces: list[Trace], one: int, two: int) -> None:
    group_by = ("service", "edge")
    first, second = sorted((one, two))
    parts = [traces[:first], traces[first:second], traces[second:]]
    whole = times_of(traces, group_by)
    for order in ((2, 0, 1), (1, 2, 0)):
        merged = times_of([], group_by)
        moments = Moments()
        for at in order:
            merged.merge(times_of(parts[at], group_by))
            moments.merge(moments_of(times_of(parts[at], group_by)))
        assert tail_of(merged, 3) == tail_of(whole, 3)
        assert variance_of(moments) == variance_of(moments_of(whole))
    right = times_of(parts[1], group_by)
    right.merge(times_of(parts[2], group_by))
    left = times_of(parts[0], group_by)
    left.merge(right)
    assert left == whole


def test_times_with_different_groupings_do_not_merge() -> None:
    with pytest.raises(ValueError, match="grouping"):
        times_of([], ("service",)).merge(times_of([], ("label",)))


@settings(max_examples=40)
@given(many_traces())
def test_an_edge_holds_what_its_callers_net_labels_hold(traces: list[Trace]) -> None:
    edges = times_of(traces, ("edge",)).groups
    held: dict[str | None, int] = defaultdict(int)
    for explanation in explained(traces):
        for s in explanation.segments:
            is_edge = s.label.startswith("net_")
            caller = explanation.spans.services[s.span]
            edge = f"{caller} -> {s.peer or '?'}" if is_edge else None
            held[edge] += s.end_unix_nano - s.start_unix_nano
    assert {edge: sum(cells.critical_ns) for (edge,), cells in edges.items()} == held


def test_sums_that_leave_64_bits_stay_exact() -> None:
    times = times_of([], ("service",))
    long = 2**62
    for number in range(8):
        times.trace_ids.append(number)
        times.durations_ns.append(long + number)
        times.roots.append(("a", "r"))
    times.groups[("a",)] = _cells(times.durations_ns)
    variance = variance_of(moments_of(times))
    assert variance.variance == Fraction(63, 12)  # of eight numbers in a row
    assert variance.groups[("a",)].share == 1
    assert tail_of(times, 3).roots.slow_ns == long + 7


def _cells(values: list[int]) -> Cells:
    cells = Cells()
    cells.places.extend(range(len(values)))
    cells.critical_ns.extend(values)
    return cells


def test_typical_and_slow_are_the_named_percentiles() -> None:
    times = times_of([], ("service",))
    for number in range(1, 101):
        times.trace_ids.append(number)
        times.durations_ns.append(number)
        times.roots.append(("a", "r"))
    times.groups[("a",)] = _cells(times.durations_ns)
    tail = tail_of(times)
    assert (tail.slow_count, tail.typical_count) == (5, 11)
    assert tail.roots.slow_ns == fmean(range(95, 100))
    assert tail.roots.typical_ns == fmean(range(45, 56))
