"""Adds up critical-path time over plain rows, as `PathTotals` promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from longpole.storage.answers import ROOTS, groups_schema
from longpole.storage.memory_query import TraceRow, nearest_rank
from longpole.storage.ports import Coverage, PathTotals
from longpole.storage.query_checks import check_group_by


def path_totals(
    rows: Sequence[TraceRow],
    segments: Mapping[int, Sequence[Mapping[str, object]]],
    group_by: Sequence[str],
    notices: tuple[str, ...],
) -> PathTotals:
    """Totals of the settled ones among `rows`; the others are counted and named."""
    check_group_by(group_by)
    used = [row for row in rows if row.values["is_settled"]]
    times: dict[tuple[object, ...], int] = {}
    counts: dict[tuple[object, ...], int] = {}
    traces: dict[tuple[object, ...], set[int]] = {}
    for row in used:
        for segment in segments[row.trace_id]:
            group = tuple(segment[name] for name in group_by)
            length = _int(segment["end_unix_nano"]) - _int(segment["start_unix_nano"])
            times[group] = times.get(group, 0) + length
            counts[group] = counts.get(group, 0) + 1
            traces.setdefault(group, set()).add(row.trace_id)
    order = sorted(times, key=lambda g: (-times[g], [(v is None, v) for v in g]))
    lines = [
        {
            **dict(zip(group_by, group, strict=True)),
            "critical_ns": times[group],
            "segment_count": counts[group],
            "trace_count": len(traces[group]),
        }
        for group in order
    ]
    durations = sorted(_int(row.values["duration_ns"]) for row in used)
    roots = {
        "trace_count": len(used),
        "duration_sum_ns": sum(durations),
        "p50_ns": nearest_rank(durations, 50),
        "p95_ns": nearest_rank(durations, 95),
        "p99_ns": nearest_rank(durations, 99),
        "max_ns": durations[-1] if durations else None,
    }
    return PathTotals(
        pa.Table.from_pylist(lines, schema=groups_schema(group_by)),
        pa.Table.from_pylist([roots], schema=ROOTS),
        coverage_of(rows),
        tuple(row.trace_id for row in rows if not row.values["is_settled"]),
        notices,
        pa.array(durations, pa.int64()),
    )


def coverage_of(rows: Sequence[TraceRow]) -> Coverage:
    """How many of these traces are settled, and how complete those are."""
    used = [row for row in rows if row.values["is_settled"]]
    return Coverage(
        matched=len(rows),
        used=len(used),
        unsettled=len(rows) - len(used),
        incomplete=sum(bool(r.values["orphans"] or r.values["headless"]) for r in used),
        late=sum(bool(r.values["late"]) for r in used),
    )


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value
