"""The columns of the answers that every engine gives, next to those of the model."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from longpole.model import columns
from longpole.storage.ports import FOUND_TRACE_EXTRA, WHOLE_TRACE_COLUMNS

FOUND_TRACES = pa.schema([*columns.TRACES, FOUND_TRACE_EXTRA])
ROOTS = pa.schema(
    [
        pa.field("trace_count", pa.int64()),
        pa.field("duration_sum_ns", pa.int64()),
        pa.field("p50_ns", pa.int64()),
        pa.field("p95_ns", pa.int64()),
        pa.field("p99_ns", pa.int64()),
        pa.field("max_ns", pa.int64()),
    ]
)
# Of `FoundFindings`: its `findings` and its `roots`.
FOUND_FINDINGS = pa.schema(
    [*columns.FINDINGS, *(columns.TRACES.field(n) for n in ("root_service", "root_operation"))]
)
FINDING_ROOTS = pa.schema(
    [
        columns.TRACES.field("root_service"),
        columns.TRACES.field("root_operation"),
        pa.field("trace_count", pa.int64()),
    ]
)
RED_TOTALS = pa.schema(
    [
        columns.RED.field(name)
        for name in columns.RED.names
        if name not in ("trace_hi", "trace_lo", "revision", "service", "operation")
    ]
)
# Of `RedSeries`. Exemplars are trace ids, in two halves.
RED_SERIES = pa.schema(
    [
        *(columns.RED.field(name) for name in columns.RED.names[3:]),
        pa.field("exemplar_hi", pa.uint64()),
        pa.field("exemplar_lo", pa.uint64()),
    ]
)
# Of `path_series`.
PATH_SERIES = pa.schema(
    [
        columns.RED.field("step_unix_nano"),
        *(
            columns.PATH_SEGMENTS.field(name)
            for name in ("root_service", "root_operation", "service", "operation", "label")
        ),
        pa.field("critical_ns", pa.int64()),
    ]
)
# Of `call_series`.
CALL_SERIES = pa.schema(
    [
        columns.RED.field("step_unix_nano"),
        *(pa.field(name, pa.string()) for name in ("client", "server", "connection_type")),
        pa.field("count", pa.int64()),
        pa.field("failed", pa.int64()),
        *(
            pa.field(f"{side}_{name}", kind)
            for side in ("client", "server")
            for name, kind in (("ns", pa.float64()), ("buckets", pa.list_(pa.int64())))
        ),
    ]
)
# Of `PathTimes`: its `traces`.
TIMED_TRACES = pa.schema(
    [
        columns.TRACES.field(name)
        for name in (
            "trace_hi", "trace_lo", "root_service", "root_operation", "start_unix_nano",
            "duration_ns",
        )
    ]
)  # fmt: skip
_ATTRIBUTES = pa.field("attributes", pa.string())
_RESOURCE = pa.field("resource", pa.string())
# Of `FoundLogs`.
FOUND_LOGS = pa.schema(
    [
        *(
            columns.LOGS.field(name)
            for name in (
                "time_unix_nano", "trace_hi", "trace_lo", "span_id", "severity_number",
                "severity_text", "body", "service_name", "resource_id", "event_name",
            )
        ),
        _ATTRIBUTES,
        _RESOURCE,
    ]
)  # fmt: skip
# Of `log_counts`.
LOG_COUNTS = pa.schema(
    [
        pa.field("step_unix_nano", pa.int64()),
        columns.LOGS.field("severity_number"),
        columns.LOGS.field("severity_text"),
        pa.field("count", pa.int64()),
    ]
)
# Of `MetricPoints`: its `series` and its `points`.
FOUND_SERIES = pa.schema(
    [
        *(
            columns.METRIC_SERIES.field(name)
            for name in (
                "name", "unit", "type", "temporality", "is_monotonic", "service_name",
                "resource_id",
            )
        ),
        _ATTRIBUTES,
        _RESOURCE,
    ]
)  # fmt: skip
POINT_COLUMNS = tuple(
    name
    for name in columns.METRIC_POINTS.names
    if name not in ("row_id", "series_id", "value_double", "value_int", "exemplars")
)
FOUND_POINTS = pa.schema(
    [
        pa.field("series", pa.int64()),
        *(columns.METRIC_POINTS.field(name) for name in POINT_COLUMNS[:3]),
        pa.field("value", pa.float64()),
        *(columns.METRIC_POINTS.field(name) for name in POINT_COLUMNS[3:]),
    ]
)
# Of `MetricSeries`: its `series` and its `shapes`.
KNOWN_SERIES = pa.schema(
    [
        *(
            columns.METRIC_SERIES.field(name)
            for name in (
                "series_id", "name", "description", "unit", "type", "temporality",
                "is_monotonic", "service_name", "resource_id",
            )
        ),
        _ATTRIBUTES,
        _RESOURCE,
    ]
)  # fmt: skip
POINT_SHAPES = pa.schema(
    [
        columns.METRIC_SERIES.field("series_id"),
        columns.METRIC_POINTS.field("explicit_bounds"),
        columns.METRIC_POINTS.field("quantiles"),
        pa.field("has_sum", pa.bool_()),
        columns.METRIC_POINTS.field("scale"),
        *(
            pa.field(f"{sign}_{side}", pa.int64())
            for sign in ("positive", "negative")
            for side in ("from", "to")
        ),
    ]
)
# Of `resource_times`.
RESOURCE_TIMES = pa.schema(
    [
        columns.METRIC_SERIES.field("resource_id"),
        columns.METRIC_POINTS.field("time_unix_nano"),
    ]
)
LINK_COLUMNS = ("row_id", "linked_trace_hi", "linked_trace_lo", "linked_span_id")
LINKS = pa.schema([columns.SPAN_LINKS.field(name) for name in LINK_COLUMNS])


def whole_schema(attributes: Sequence[str]) -> pa.Schema:
    """The columns of `WholeTraces.spans`."""
    fixed = [columns.SPANS.field(name) for name in WHOLE_TRACE_COLUMNS]
    return pa.schema([*fixed, *(pa.field(key, pa.string()) for key in attributes)])


def groups_schema(group_by: Sequence[str]) -> pa.Schema:
    """The columns of `PathTotals.groups`."""
    counts = ("critical_ns", "segment_count", "trace_count")
    asked = (columns.PATH_SEGMENTS.field(name) for name in group_by)
    return pa.schema([*asked, *(pa.field(name, pa.int64()) for name in counts)])


def cells_schema(group_by: Sequence[str]) -> pa.Schema:
    """The columns of `PathTimes.cells`."""
    asked = (columns.PATH_SEGMENTS.field(name) for name in group_by)
    counts = ("critical_ns", "segment_count", "span_count")
    return pa.schema(
        [
            pa.field("place", pa.int64()),
            *asked,
            *(pa.field(name, pa.int64()) for name in counts),
        ]
    )
