"""Answers about critical-path time over many traces, and how much of what matched they cover."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of what matched is in an answer. All counts are traces.

    `used` of the `matched` ones are in the figures; `unsettled` are not explained yet;
    `incomplete` (orphans or no true root) and `late` (spans after the first settlement)
    are among the used ones.
    """

    matched: int = 0
    used: int = 0
    unsettled: int = 0
    incomplete: int = 0
    late: int = 0


@dataclass(frozen=True, slots=True)
class PathTotals:
    """Critical-path time of many traces, from derived rows only.

    `groups` has the columns asked for, then `critical_ns` (the sum, exact), `segment_count`
    and `trace_count`, most time first. `roots` has one row: `trace_count`, `duration_sum_ns`
    and the nearest-rank percentiles `p50_ns`, `p95_ns`, `p99_ns`, `max_ns` of root durations
    (null without traces). The sum of `critical_ns` equals `duration_sum_ns` to the
    nanosecond. `unsettled` are the matching traces that have no current derived rows.
    `root_durations_ns` holds the root duration of every trace counted in `roots`, as an int64
    array in any order, so that percentiles can be taken again once the unsettled ones are
    explained; an engine fills it whenever `unsettled` is not empty.
    """

    groups: pa.Table
    roots: pa.Table
    coverage: Coverage
    unsettled: tuple[int, ...] = ()
    notices: tuple[str, ...] = ()
    root_durations_ns: pa.Array | None = None


PATH_GROUP_COLUMNS = (
    "service",
    "operation",
    "label",
    "peer_service",
    "root_service",
    "root_operation",
    "call_path_id",  # uint64, the others are text
)


@dataclass(frozen=True, slots=True)
class PathTimes:
    """Critical-path time of every matching settled trace, apart.

    `traces`: one row a trace, in no order: trace_hi, trace_lo, root_service, root_operation,
    start_unix_nano, duration_ns. `cells`: `place` (int64, row number in `traces`), then the
    columns asked for, then `critical_ns`, `segment_count` and `span_count` (distinct spans that
    hold it), in no order. The cells of a trace add up to its duration_ns exactly. The rest as in
    `PathTotals`.
    """

    traces: pa.Table
    cells: pa.Table
    coverage: Coverage
    unsettled: tuple[int, ...] = ()
    notices: tuple[str, ...] = ()
