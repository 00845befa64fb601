"""Gives critical-path time trace by trace over plain rows, as `PathTimes` promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa

from longpole.storage.answers import TIMED_TRACES, cells_schema
from longpole.storage.memory_query import TraceRow
from longpole.storage.memory_totals import coverage_of
from longpole.storage.ports import PathTimes
from longpole.storage.query_checks import check_group_by


def path_times(
    rows: Sequence[TraceRow],
    segments: Mapping[int, Sequence[Mapping[str, object]]],
    group_by: Sequence[str],
    notices: tuple[str, ...],
) -> PathTimes:
    """Times of the settled ones among `rows`; the others are counted and named."""
    check_group_by(group_by)
    used = [row for row in rows if row.values["is_settled"]]
    lines = []
    for place, row in enumerate(used):
        times: dict[tuple[object, ...], int] = {}
        counts: Counter[tuple[object, ...]] = Counter()
        spans: dict[tuple[object, ...], set[object]] = {}
        for segment in segments[row.trace_id]:
            group = tuple(segment[name] for name in group_by)
            start, end = segment["start_unix_nano"], segment["end_unix_nano"]
            assert isinstance(start, int)
            assert isinstance(end, int)
            times[group] = times.get(group, 0) + end - start
            counts[group] += 1
            spans.setdefault(group, set()).add(segment["span_id"])
        lines += [
            {
                "place": place,
                **dict(zip(group_by, group, strict=True)),
                "critical_ns": time,
                "segment_count": counts[group],
                "span_count": len(spans[group]),
            }
            for group, time in times.items()
        ]
    return PathTimes(
        pa.Table.from_pylist([row.values for row in used], schema=TIMED_TRACES),
        pa.Table.from_pylist(lines, schema=cells_schema(group_by)),
        coverage_of(rows),
        tuple(row.trace_id for row in rows if not row.values["is_settled"]),
        notices,
    )
