"""Path time by group, split exactly: the mean, what slow traces have more of, the variance."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction
from typing import Any

from longpole.analyzer.apportion import apportioned
from longpole.analyzer.call_tree import CallSteps
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.path_aggregate import Group, by_name, root_statistics
from longpole.analyzer.path_groups import CALL_PATH, CALL_PATH_ID
from longpole.analyzer.reports.call_steps import call_steps
from longpole.analyzer.reports.gathered_times import GatheredTimes, gathered_times
from longpole.analyzer.tail import LEAST_TRACES, Compared, Tail, tail_of
from longpole.analyzer.times_by_trace import TimesByTrace
from longpole.analyzer.traceql import format_query
from longpole.analyzer.variance import Share, Variance, moments_of, variance_of
from longpole.model.query import TraceQuery
from longpole.storage.ports import TraceReader

LONGEST_CHAIN = 100  # calls of a call path in a row of a table
EXEMPLARS = 3
_MILLION = 10**6


class Explain(StrEnum):
    """Which number the rows of a report explain, and are ordered by."""

    MEAN = "mean"  # of root durations
    TAIL = "tail"  # how much longer slow traces take than typical ones
    VARIANCE = "variance"  # of root durations


def path_times_report(
    reader: TraceReader,
    query: TraceQuery,
    group_by: Sequence[str],
    options: PathOptions | None = None,
    explain: Explain | None = None,
) -> dict[str, Any]:
    """As `critical_path_report`, with what takes knowing each trace apart.

    Whatever is split adds up in whole numbers: over all groups, `mean_ns` to `roots.mean_ns`;
    `typical_ns`, `slow_ns` and `slow_difference_ns` to those of `tail` (see `tail.py`);
    `deviation_ns` to `variance.deviation_ns` (see `variance.py`). `tail` is None without a root
    operation that has `LEAST_TRACES`.
    """
    gathered = gathered_times(reader, query, group_by, options)
    times = gathered.times
    steps = steps_of(reader, times)
    total_of = {group: sum(cells.critical_ns) for group, cells in times.groups.items()}
    # Who wins a tie when fractions are rounded must not depend on the order of arrival.
    groups = sorted(total_of, key=lambda group: (-total_of[group], by_name(group)))
    totals = [total_of[group] for group in groups]
    document = head_of(query, gathered)
    duration_sum, count = document["roots"]["duration_sum_ns"], len(times.durations_ns)
    means = apportioned([Fraction(total, count) for total in totals]) if count else []
    rows: list[dict[str, Any]] = [
        {
            **_named(times.group_by, group, steps),
            "critical_ns": total,
            "share": round(total / duration_sum, 6) if duration_sum else 0.0,
            "segment_count": times.groups[group].segment_count,
            "trace_count": times.groups[group].trace_count,
            "mean_ns": mean,
        }
        for group, total, mean in zip(groups, totals, means, strict=True)
    ]
    ranked_by = "critical_ns"
    if explain in (None, Explain.TAIL):
        document["tail"] = _add_tail(rows, groups, tail_of(times))
        if explain is Explain.TAIL and document["tail"]:
            ranked_by = "slow_difference_ns"
    if explain is Explain.VARIANCE:
        document["variance"] = _add_variance(rows, groups, variance_of(moments_of(times)))
        ranked_by = "deviation_ns"
    if explain is not None:
        document["explain"] = str(explain)
    order = sorted(
        range(len(rows)),
        key=lambda at: (
            -rows[at][ranked_by],
            -rows[at]["critical_ns"],
            by_name(groups[at]),
        ),
    )
    document["groups"] = [rows[at] for at in order]
    return document


def head_of(query: TraceQuery, gathered: GatheredTimes) -> dict[str, Any]:
    """What the reports over path times begin with."""
    roots = root_statistics(gathered.times.durations_ns)
    count = roots["trace_count"]
    return {
        "query": format_query(query),
        "group_by": list(gathered.times.group_by),
        "coverage": gathered.coverage,
        "roots": {
            **roots,
            "mean_ns": round(Fraction(roots["duration_sum_ns"], count)) if count else None,
        },
        "notices": list(gathered.notices),
    }


def _add_tail(rows: list[dict[str, Any]], groups: list[Group], tail: Tail) -> dict[str, Any] | None:
    if not tail.slow_count:
        return None
    compared = [tail.groups.get(group, Compared()) for group in groups]
    typical = apportioned([one.typical_ns for one in compared])
    slow = apportioned([one.slow_ns for one in compared])
    for row, typical_ns, slow_ns in zip(rows, typical, slow, strict=True):
        row["typical_ns"] = typical_ns
        row["slow_ns"] = slow_ns
        row["slow_difference_ns"] = slow_ns - typical_ns
    return {
        "slow_count": tail.slow_count,
        "typical_count": tail.typical_count,
        "left_out": tail.left_out,
        "least_traces": LEAST_TRACES,
        "typical_ns": sum(typical),
        "slow_ns": sum(slow),
        "difference_ns": sum(slow) - sum(typical),
    }


def _add_variance(
    rows: list[dict[str, Any]], groups: list[Group], variance: Variance
) -> dict[str, Any]:
    shares = [variance.groups.get(group, Share()) for group in groups]
    parts = apportioned([one.share for one in shares], _MILLION)
    within = apportioned([one.within for one in shares], _MILLION)
    deviations = apportioned([one.share for one in shares], variance.deviation_ns)
    for row, part, inner, deviation in zip(rows, parts, within, deviations, strict=True):
        row["variance_share"] = part / _MILLION
        row["within_share"] = inner / _MILLION
        row["deviation_ns"] = deviation
    return {
        "deviation_ns": variance.deviation_ns,
        "within_share": sum(within) / _MILLION,
    }


def steps_of(reader: TraceReader, times: TimesByTrace) -> CallSteps:
    """The chains behind the call paths in these times, if they are grouped by them."""
    if CALL_PATH not in times.group_by:
        return CallSteps()
    at = times.group_by.index(CALL_PATH)
    exemplars: dict[int, list[int]] = {}
    for group, cells in sorted(
        times.groups.items(), key=lambda item: sum(item[1].critical_ns), reverse=True
    ):
        number = group[at]
        assert isinstance(number, int)
        known = exemplars.setdefault(number, [])
        for place in cells.places[:EXEMPLARS]:
            if len(known) < EXEMPLARS and times.trace_ids[place] not in known:
                known.append(times.trace_ids[place])
    return call_steps(reader, exemplars)


def _named(group_by: Sequence[str], group: Group, steps: CallSteps) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for name, value in zip(group_by, group, strict=True):
        if not isinstance(value, int):
            named[name] = value
            continue
        named[CALL_PATH_ID] = f"{value:016x}"  # readers of JSON lose low bits of large integers
        if name == CALL_PATH_ID:
            continue
        chain = steps.chain(value, LONGEST_CHAIN)
        named[CALL_PATH] = (
            None
            if chain is None
            else [{"service": s.service, "operation": s.operation} for s in chain]
        )
    return named
