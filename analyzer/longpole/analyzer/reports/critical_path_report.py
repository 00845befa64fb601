"""The report over all matching traces: who held the critical path, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from longpole.analyzer.apportion import apportioned
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.path_aggregate import PathAggregate, root_statistics
from longpole.analyzer.path_groups import is_stored
from longpole.analyzer.reports.path_times_report import Explain, path_times_report
from longpole.analyzer.reports.unsettled import unsettled_totals
from longpole.analyzer.traceql import format_query
from longpole.model.query import TraceQuery
from longpole.storage.ports import TraceReader

# What is asked for without a word has to be quick; each trace apart takes some 10 us.
MOST_APART = 50_000
DEFAULT_GROUP_BY = ("service", "operation", "label")


def critical_path_report(
    reader: TraceReader,
    query: TraceQuery,
    group_by: Sequence[str] = DEFAULT_GROUP_BY,
    options: PathOptions | None = None,
    explain: Explain | None = None,
    most_apart: int = MOST_APART,
) -> dict[str, Any]:
    """Path time of every matching trace (`query.limit` does not apply), by group.

    Settled traces come from derived rows, which were made with the server's options; the
    others are explained now, with `options`. Sums are exact: `critical_ns` over all groups
    equals `duration_sum_ns`. `share` is a group's part of it, 0 to 1. Percentiles are
    nearest-rank. `coverage` counts traces; `used` are the settled and the now explained ones.
    A `call_path_id` is shown as 16 hex digits. What `explain` and the groups of
    `path_groups.GROUP_NAMES` that storage does not know take, and what slow traces have more of
    (asked for, or with at most `most_apart` traces), is described at `path_times_report`. Raises
    ValueError for an unknown name in `group_by`.
    """
    columns = tuple(group_by)
    if explain is not None or not is_stored(columns):
        return path_times_report(reader, query, columns, options, explain)
    aggregate = PathAggregate(columns)
    totals = reader.path_totals(query, columns)
    if totals.coverage.matched <= most_apart:
        return path_times_report(reader, query, columns, options)
    aggregate.add_totals(totals)
    now = unsettled_totals(reader, totals.unsettled, columns, options)
    aggregate.merge(now.aggregate)
    notices = [
        *totals.notices,
        f"slow traces are not set against typical ones beyond {most_apart:,} traces: narrow the "
        "filter, or ask for it (explain=tail)",
    ]
    roots = totals.roots.to_pylist()[0]
    if now.explained:
        settled_sum, settled_count = roots["duration_sum_ns"] or 0, roots["trace_count"]
        roots = root_statistics(aggregate.root_durations_ns)
        if settled_count and totals.root_durations_ns is None:
            # Only what can be added up is known: no percentile may be made of a part.
            roots["trace_count"] += settled_count
            roots["duration_sum_ns"] += settled_sum
            roots.update(p50_ns=None, p95_ns=None, p99_ns=None, max_ns=None)
            notices.append(
                "percentiles are missing: this store does not give the durations of settled traces"
            )
    duration_sum, count = roots["duration_sum_ns"] or 0, roots["trace_count"]
    ranked = aggregate.ranked()
    means = apportioned(
        [Fraction(total.critical_ns, count) for _, total in ranked] if count else []
    )
    return {
        "query": format_query(query),
        "group_by": list(columns),
        "coverage": {
            "matched": totals.coverage.matched,
            "used": totals.coverage.used + now.explained,
            "unsettled_explained": now.explained,
            "incomplete": totals.coverage.incomplete + now.incomplete,
            "late": totals.coverage.late + now.late,
        },
        "roots": {
            "trace_count": roots["trace_count"],
            "duration_sum_ns": duration_sum,
            "p50_ns": roots["p50_ns"],
            "p95_ns": roots["p95_ns"],
            "p99_ns": roots["p99_ns"],
            "max_ns": roots["max_ns"],
            "mean_ns": round(Fraction(duration_sum, count)) if count else None,
        },
        "tail": None,
        "groups": [
            {
                **{name: _shown(value) for name, value in zip(columns, group, strict=True)},
                "critical_ns": total.critical_ns,
                "share": round(total.critical_ns / duration_sum, 6) if duration_sum else 0.0,
                "segment_count": total.segment_count,
                "trace_count": total.trace_count,
                "mean_ns": mean,
            }
            for (group, total), mean in zip(ranked, means, strict=True)
        ],
        "notices": notices,
    }


def _shown(value: str | int | None) -> str | None:
    """JSON readers lose the low bits of large integers."""
    return f"{value:016x}" if isinstance(value, int) else value
