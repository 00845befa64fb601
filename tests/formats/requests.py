"""Hypothesis strategies for OTLP requests, valid and odd, of all three signals."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

u32 = st.integers(0, 2**32 - 1)
u64 = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**63 - 1, 2**63, 2**64 - 1]))
i32 = st.integers(-(2**31), 2**31 - 1)
i64 = st.integers(-(2**63), 2**63 - 1)
texts = st.text(max_size=12)
keys = st.sampled_from(["service.name", "http.route", "k", "K", "", "ü", "a.b"])
trace_id = st.one_of(st.binary(min_size=16, max_size=16), st.sampled_from([b"", b"1", bytes(16)]))
span_id = st.one_of(st.binary(min_size=8, max_size=8), st.sampled_from([b"", b"123", bytes(8)]))

scalars = st.one_of(
    st.builds(AnyValue, string_value=texts),
    st.builds(AnyValue, int_value=i64),
    st.builds(AnyValue, double_value=st.floats()),
    st.builds(AnyValue, bool_value=st.booleans()),
    st.builds(AnyValue, bytes_value=st.binary(max_size=9)),
    st.builds(AnyValue, string_value_strindex=st.integers(0, 9)),
    st.just(AnyValue()),
)


def _array(items: list[Any]) -> AnyValue:
    return AnyValue(array_value=ArrayValue(values=items))


def _map(items: list[Any]) -> AnyValue:
    pairs = [KeyValue(key=key, value=value) for key, value in items]
    return AnyValue(kvlist_value=KeyValueList(values=pairs))


values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(_array),
        st.lists(st.tuples(texts, inner), max_size=3).map(_map),
    ),
    max_leaves=5,
)
attributes = st.lists(
    st.builds(KeyValue, key=keys, value=values, key_strindex=st.sampled_from([0, 0, 0, 7])),
    max_size=4,
)
resources = st.builds(Resource, attributes=attributes, dropped_attributes_count=u32)
scopes = st.builds(
    InstrumentationScope, name=texts, version=texts, attributes=attributes,
    dropped_attributes_count=u32,
)  # fmt: skip
spans = st.builds(
    Span, trace_id=trace_id, span_id=span_id, parent_span_id=span_id, trace_state=texts,
    flags=u32, name=texts, kind=i32, start_time_unix_nano=u64, end_time_unix_nano=u64,
    attributes=attributes, dropped_attributes_count=u32, dropped_events_count=u32,
    dropped_links_count=u32, status=st.builds(Status, message=texts, code=i32),
    events=st.lists(
        st.builds(
            Span.Event, time_unix_nano=u64, name=texts, attributes=attributes,
            dropped_attributes_count=u32,
        ), max_size=2,
    ),
    links=st.lists(
        st.builds(
            Span.Link, trace_id=trace_id, span_id=span_id, trace_state=texts,
            attributes=attributes, dropped_attributes_count=u32, flags=u32,
        ), max_size=2,
    ),
)  # fmt: skip
trace_requests = st.builds(
    ExportTraceServiceRequest,
    resource_spans=st.lists(
        st.builds(
            ResourceSpans, resource=resources, schema_url=texts,
            scope_spans=st.lists(
                st.builds(
                    ScopeSpans, scope=scopes, schema_url=texts, spans=st.lists(spans, max_size=3)
                ), max_size=2,
            ),
        ), max_size=3,
    ),
)  # fmt: skip
records = st.builds(
    LogRecord, time_unix_nano=u64, observed_time_unix_nano=u64, severity_number=i32,
    severity_text=texts, body=st.one_of(st.none(), values), attributes=attributes,
    dropped_attributes_count=u32, flags=u32, trace_id=trace_id, span_id=span_id, event_name=texts,
)  # fmt: skip
log_requests = st.builds(
    ExportLogsServiceRequest,
    resource_logs=st.lists(
        st.builds(
            ResourceLogs, resource=resources, schema_url=texts,
            scope_logs=st.lists(
                st.builds(
                    ScopeLogs, scope=scopes, schema_url=texts,
                    log_records=st.lists(records, max_size=3),
                ), max_size=2,
            ),
        ), max_size=3,
    ),
)  # fmt: skip

_times = {"start_time_unix_nano": u64, "time_unix_nano": u64, "flags": st.integers(0, 3)}
exemplars = st.lists(
    st.one_of(
        st.builds(
            metrics_pb2.Exemplar, filtered_attributes=attributes, time_unix_nano=u64,
            as_double=st.floats(), span_id=span_id, trace_id=trace_id,
        ),
        st.builds(metrics_pb2.Exemplar, as_int=i64),
    ), max_size=2,
)  # fmt: skip
numbers = st.lists(
    st.one_of(
        st.builds(
            metrics_pb2.NumberDataPoint, attributes=attributes, as_int=i64, exemplars=exemplars,
            **_times,
        ),
        st.builds(metrics_pb2.NumberDataPoint, as_double=st.floats(), **_times),
        st.builds(metrics_pb2.NumberDataPoint, **_times),
    ), max_size=3,
)  # fmt: skip


@st.composite
def histogram_points(draw: st.DrawFn) -> metrics_pb2.HistogramDataPoint:
    """Mostly of the right shape."""
    bounds = sorted(draw(st.sets(st.floats(allow_nan=False), max_size=4)))
    counts = draw(st.lists(st.integers(0, 2**60), min_size=len(bounds) + 1, max_size=5))
    return metrics_pb2.HistogramDataPoint(
        explicit_bounds=bounds,
        bucket_counts=counts,
        count=sum(counts) if draw(st.booleans()) else draw(u64),
        sum=draw(st.one_of(st.none(), st.floats())),
        min=draw(st.one_of(st.none(), st.floats())),
        attributes=draw(attributes),
        exemplars=draw(exemplars),
        **{name: draw(strategy) for name, strategy in _times.items()},
    )


_buckets = st.builds(
    metrics_pb2.ExponentialHistogramDataPoint.Buckets,
    offset=i32,
    bucket_counts=st.lists(u64, max_size=3),
)
exponential_points = st.builds(
    metrics_pb2.ExponentialHistogramDataPoint, attributes=attributes, count=u64,
    sum=st.one_of(st.none(), st.floats()), scale=st.integers(-12, 22), zero_count=u64,
    zero_threshold=st.floats(), positive=_buckets, negative=_buckets, exemplars=exemplars,
    max=st.one_of(st.none(), st.floats()), **_times,
)  # fmt: skip
summary_points = st.builds(
    metrics_pb2.SummaryDataPoint, attributes=attributes, count=u64, sum=st.floats(),
    quantile_values=st.lists(
        st.builds(
            metrics_pb2.SummaryDataPoint.ValueAtQuantile, quantile=st.floats(0, 1),
            value=st.floats(),
        ), max_size=2,
    ), **_times,
)  # fmt: skip
temporality = st.sampled_from([0, 1, 2, 2, 9])
metrics = st.one_of(
    st.builds(
        metrics_pb2.Metric, name=texts, description=texts, unit=texts, metadata=attributes,
        gauge=st.builds(metrics_pb2.Gauge, data_points=numbers),
    ),
    st.builds(
        metrics_pb2.Metric, name=texts,
        sum=st.builds(
            metrics_pb2.Sum, data_points=numbers, aggregation_temporality=temporality,
            is_monotonic=st.booleans(),
        ),
    ),
    st.builds(
        metrics_pb2.Metric, name=texts,
        histogram=st.builds(
            metrics_pb2.Histogram, data_points=st.lists(histogram_points(), max_size=2),
            aggregation_temporality=temporality,
        ),
    ),
    st.builds(
        metrics_pb2.Metric, name=texts,
        exponential_histogram=st.builds(
            metrics_pb2.ExponentialHistogram,
            data_points=st.lists(exponential_points, max_size=2),
            aggregation_temporality=temporality,
        ),
    ),
    st.builds(
        metrics_pb2.Metric, name=texts,
        summary=st.builds(metrics_pb2.Summary, data_points=st.lists(summary_points, max_size=2)),
    ),
    st.builds(metrics_pb2.Metric, name=texts),
)  # fmt: skip
metric_requests = st.builds(
    ExportMetricsServiceRequest,
    resource_metrics=st.lists(
        st.builds(
            metrics_pb2.ResourceMetrics, resource=resources, schema_url=texts,
            scope_metrics=st.lists(
                st.builds(
                    metrics_pb2.ScopeMetrics, scope=scopes, schema_url=texts,
                    metrics=st.lists(metrics, max_size=3),
                ), max_size=2,
            ),
        ), max_size=2,
    ),
)  # fmt: skip
