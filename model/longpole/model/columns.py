"""The columns of telemetry: one Arrow schema per table, shared by every room.

Decoders produce these tables, the hot store holds them, engines store them, derived rows
are handed over in them. Ids are unsigned 64-bit integers (a trace id is a hi/lo pair, 0 is
"none"), times are Unix nanoseconds as int64, durations int64 nanoseconds.

Attributes are parallel lists, one pair of lists per type, so that a value keeps its exact
type without a cast on the way in or out:

    attr_str_keys ["http.route"]    attr_str_vals ["/cart"]
    attr_int_keys ["retries"]       attr_int_vals [3]
    attr_dbl_keys, attr_dbl_vals    attr_bool_keys, attr_bool_vals
    attr_other_keys ["tags"]        attr_other_vals ['{"arrayValue":{"values":[...]}}']

A key stands in at most one of the lists of a row (the last one sent wins). "Other" values
are bytes, arrays, maps and the empty value as compact OTLP/JSON AnyValue text; doubles
inside them follow OTLP/JSON ("NaN" as a string).
"""

from __future__ import annotations

import pyarrow as pa

_U64 = pa.uint64()
_I64 = pa.int64()
_STR = pa.string()


def _attributes(prefix: str = "attr") -> list[pa.Field]:
    types = {"str": _STR, "int": _I64, "dbl": pa.float64(), "bool": pa.bool_(), "other": _STR}
    fields: list[pa.Field] = []
    for name, value_type in types.items():
        fields.append(pa.field(f"{prefix}_{name}_keys", pa.list_(_STR)))
        fields.append(pa.field(f"{prefix}_{name}_vals", pa.list_(value_type)))
    return fields


ATTRIBUTE_TYPES = ("str", "int", "dbl", "bool", "other")
ATTRIBUTE_COLUMNS = tuple(f.name for f in _attributes())

RESOURCES = pa.schema(
    [
        pa.field("resource_id", _U64),  # 64-bit hash of every other field
        pa.field("service_name", _STR),
        pa.field("schema_url", _STR),
        pa.field("dropped_attributes_count", pa.uint32()),
        *_attributes(),
    ]
)

SCOPES = pa.schema(
    [
        pa.field("scope_id", _U64),  # 64-bit hash of every other field
        pa.field("name", _STR),
        pa.field("version", _STR),
        pa.field("schema_url", _STR),
        pa.field("dropped_attributes_count", pa.uint32()),
        *_attributes(),
    ]
)

# `row_id` ties a span to its events and links. A decoder numbers the rows of one request
# from 0; the store adds the request's sequence number in the upper bits (`row_id()`), so
# that a row id is unique in a data directory and tells when the row arrived.
SPANS = pa.schema(
    [
        pa.field("row_id", _U64),
        pa.field("trace_hi", _U64),
        pa.field("trace_lo", _U64),
        pa.field("span_id", _U64),
        pa.field("parent_span_id", _U64),
        pa.field("trace_state", _STR),
        pa.field("flags", pa.uint32()),
        pa.field("name", _STR),
        pa.field("kind", pa.int32()),
        pa.field("start_unix_nano", _I64),
        pa.field("duration_ns", _I64),
        pa.field("status_code", pa.int32()),
        pa.field("status_message", _STR),
        pa.field("service_name", _STR),
        pa.field("resource_id", _U64),
        pa.field("scope_id", _U64),
        pa.field("dropped_attributes_count", pa.uint32()),
        pa.field("dropped_events_count", pa.uint32()),
        pa.field("dropped_links_count", pa.uint32()),
        *_attributes(),
    ]
)
SPAN_CORE_COLUMNS = tuple(name for name in SPANS.names if name not in ATTRIBUTE_COLUMNS)

SPAN_EVENTS = pa.schema(
    [
        pa.field("row_id", _U64),  # of the span
        pa.field("trace_hi", _U64),
        pa.field("trace_lo", _U64),
        pa.field("span_id", _U64),
        pa.field("time_unix_nano", _I64),
        pa.field("name", _STR),
        pa.field("dropped_attributes_count", pa.uint32()),
        *_attributes(),
    ]
)

SPAN_LINKS = pa.schema(
    [
        pa.field("row_id", _U64),  # of the span
        pa.field("trace_hi", _U64),
        pa.field("trace_lo", _U64),
        pa.field("span_id", _U64),
        pa.field("linked_trace_hi", _U64),
        pa.field("linked_trace_lo", _U64),
        pa.field("linked_span_id", _U64),
        pa.field("trace_state", _STR),
        pa.field("flags", pa.uint32()),
        pa.field("dropped_attributes_count", pa.uint32()),
        *_attributes(),
    ]
)

LOGS = pa.schema(
    [
        pa.field("row_id", _U64),
        pa.field("time_unix_nano", _I64),  # 0 when the sender gave none
        pa.field("observed_time_unix_nano", _I64),
        pa.field("trace_hi", _U64),
        pa.field("trace_lo", _U64),
        pa.field("span_id", _U64),
        pa.field("severity_number", pa.int32()),
        pa.field("severity_text", _STR),
        pa.field("body", _STR),  # a string body as it is, others as OTLP/JSON AnyValue
        pa.field("body_is_text", pa.bool_()),  # null: the record has no body at all
        pa.field("event_name", _STR),
        pa.field("flags", pa.uint32()),
        pa.field("service_name", _STR),
        pa.field("resource_id", _U64),
        pa.field("scope_id", _U64),
        pa.field("dropped_attributes_count", pa.uint32()),
        *_attributes(),
    ]
)

METRIC_SERIES = pa.schema(
    [
        pa.field("series_id", _U64),  # 64-bit hash of every other field
        pa.field("name", _STR),
        pa.field("description", _STR),
        pa.field("unit", _STR),
        pa.field("type", _STR),  # gauge, sum, histogram, exponential_histogram, summary
        pa.field("temporality", pa.int32()),  # OTLP: 0 none, 1 delta, 2 cumulative
        pa.field("is_monotonic", pa.bool_()),
        pa.field("metadata", _STR),  # OTLP/JSON KeyValue array, "" when empty
        pa.field("service_name", _STR),
        pa.field("resource_id", _U64),
        pa.field("scope_id", _U64),
        *_attributes(),
    ]
)

METRIC_POINTS = pa.schema(
    [
        pa.field("row_id", _U64),
        pa.field("series_id", _U64),
        pa.field("start_unix_nano", _I64),
        pa.field("time_unix_nano", _I64),
        pa.field("flags", pa.uint32()),
        pa.field("value_double", pa.float64()),
        pa.field("value_int", _I64),
        pa.field("count", _U64),
        pa.field("sum", pa.float64()),
        pa.field("min", pa.float64()),
        pa.field("max", pa.float64()),
        pa.field("explicit_bounds", pa.list_(pa.float64())),
        pa.field("bucket_counts", pa.list_(_U64)),
        pa.field("scale", pa.int32()),
        pa.field("zero_count", _U64),
        pa.field("zero_threshold", pa.float64()),
        pa.field("positive_offset", pa.int32()),
        pa.field("positive_counts", pa.list_(_U64)),
        pa.field("negative_offset", pa.int32()),
        pa.field("negative_counts", pa.list_(_U64)),
        pa.field("quantiles", pa.list_(pa.float64())),
        pa.field("quantile_values", pa.list_(pa.float64())),
        pa.field("exemplars", _STR),  # OTLP/JSON Exemplar array, "" when empty
    ]
)

# Derived rows. `revision` counts the settlements of a trace from 1; only the highest counts.
TRACES = pa.schema(
    [
        pa.field("trace_hi", _U64),
        pa.field("trace_lo", _U64),
        pa.field("revision", pa.uint32()),
        pa.field("root_span_id", _U64),
        pa.field("root_service", _STR),
        pa.field("root_operation", _STR),
        pa.field("start_unix_nano", _I64),  # of the primary root
        pa.field("duration_ns", _I64),  # of the primary root: what the segments add up to
        pa.field("span_count", _I64),
        pa.field("error_count", _I64),
        pa.field("service_count", _I64),
        pa.field("orphans", _I64),
        pa.field("headless", pa.bool_()),
        pa.field("late", _I64),
        pa.field("skew_shifts", _I64),
        pa.field("detached", _I64),
        pa.field("ambiguous_ns", _I64),
        pa.field("verdict", _STR),  # one line for lists
        # Corrected clocks as a JSON object, "" for none. Null, and without the column in files
        # that were written before there was one: none was looked for.
        pa.field("clocks", _STR),
    ]
)

PATH_SEGMENTS = pa.schema(
    [
        pa.field("trace_hi", _U64),
        pa.field("trace_lo", _U64),
        pa.field("revision", pa.uint32()),
        pa.field("root_service", _STR),
        pa.field("root_operation", _STR),
        pa.field("span_id", _U64),
        pa.field("service", _STR),
        pa.field("operation", _STR),
        pa.field("peer_service", _STR),  # null unless the label is net_*
        pa.field("call_path_id", _U64),  # hash of the (service, operation) chain from the root
        pa.field("label", _STR),
        pa.field("start_unix_nano", _I64),
        pa.field("end_unix_nano", _I64),
    ]
)

FINDINGS = pa.schema(
    [
        pa.field("trace_hi", _U64),
        pa.field("trace_lo", _U64),
        pa.field("revision", pa.uint32()),
        pa.field("detector", _STR),
        pa.field("severity", _STR),
        pa.field("service", _STR),
        pa.field("operation", _STR),
        pa.field("span_ids", pa.list_(_U64)),
        pa.field("reason", _STR),
        pa.field("action", _STR),
        pa.field("saving_ns", _I64),
        pa.field("fingerprint", _STR),
        pa.field("first_seen_unix_nano", _I64),
    ]
)

# One row per trace, step, service, operation, kind and status, so that a revision replaces
# exactly its own rows; the `red` view adds them up.
RED = pa.schema(
    [
        pa.field("trace_hi", _U64),
        pa.field("trace_lo", _U64),
        pa.field("revision", pa.uint32()),
        pa.field("step_unix_nano", _I64),  # start of the 10 s step that holds the span's end
        pa.field("service", _STR),
        pa.field("operation", _STR),
        pa.field("kind", pa.int32()),
        pa.field("status_code", pa.int32()),
        pa.field("count", _I64),
        pa.field("errors", _I64),
        pa.field("duration_sum_ns", _I64),
        pa.field("bucket_counts", pa.list_(_I64)),  # by `RED_BOUNDS_NS`, the last is +Inf
        pa.field("critical_ns", _I64),
    ]
)
RED_STEP_NS = 10_000_000_000
RED_BOUNDS_NS = tuple(
    round(ms * 1_000_000)
    for ms in (2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1000, 1400, 2000, 5000, 10000, 15000)
)

DERIVED_TABLES = {
    "traces": TRACES,
    "path_segments": PATH_SEGMENTS,
    "findings": FINDINGS,
    "red": RED,
}

ROWS_PER_REQUEST_BITS = 24


def row_id_base(sequence_number: int) -> int:
    """The row id of a request's first row; a request holds fewer than 2**24 rows."""
    return sequence_number << ROWS_PER_REQUEST_BITS


def sequence_number_of(row_id: int) -> int:
    """Which request a row came with."""
    return row_id >> ROWS_PER_REQUEST_BITS
