"""Tables to OTLP requests: rows grouped by resource and scope, in the order of first use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from longpole.formats import any_value
from longpole.formats.attributes import message_rows
from longpole.formats.metric_points import fill_point
from longpole.formats.otlp_json_text import attributes_of_text
from longpole.model.columns import ATTRIBUTE_COLUMNS
from longpole.model.signals import Signal

_U64 = 2**64


def request_of_tables(signal: Signal, tables: Mapping[str, pa.Table]) -> Any:
    """The request message. A row whose resource or scope is not in the tables gets an empty
    one."""
    return _MAKERS[signal](tables)


def rows_of(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Every row without its attributes, columns at a time."""
    names = [name for name in table.schema.names if name not in ATTRIBUTE_COLUMNS]
    lists = [table.column(name).to_pylist() for name in names]
    for values in zip(*lists, strict=True):
        yield dict(zip(names, values, strict=True))


class _Groups:
    """Finds (or starts) the group of messages that a row belongs in."""

    def __init__(self, tables: Mapping[str, pa.Table], start: Callable[[], Any], scoped: str):
        self._resources = _by_key(tables["resources"], "resource_id")
        self._scopes = _by_key(tables["scopes"], "scope_id")
        self._start, self._scoped = start, scoped
        self._resource_groups: dict[int, Any] = {}
        self._scope_groups: dict[tuple[int, int], Any] = {}

    def group(self, resource_id: int, scope_id: int) -> Any:
        found = self._scope_groups.get((resource_id, scope_id))
        if found is not None:
            return found
        outer = self._resource_groups.get(resource_id)
        if outer is None:
            outer = self._resource_groups[resource_id] = self._start()
            row, attributes = self._resources.get(resource_id, ({}, ()))
            outer.resource.SetInParent()
            outer.resource.attributes.extend(attributes)
            outer.resource.dropped_attributes_count = row.get("dropped_attributes_count") or 0
            outer.schema_url = row.get("schema_url") or ""
        group = getattr(outer, self._scoped).add()
        row, attributes = self._scopes.get(scope_id, ({}, ()))
        group.scope.name = row.get("name") or ""
        group.scope.version = row.get("version") or ""
        group.scope.attributes.extend(attributes)
        group.scope.dropped_attributes_count = row.get("dropped_attributes_count") or 0
        group.schema_url = row.get("schema_url") or ""
        self._scope_groups[resource_id, scope_id] = group
        return group


def _by_key(table: pa.Table, key: str) -> dict[int, tuple[dict[str, Any], Any]]:
    rows = zip(rows_of(table), message_rows(table), strict=True)
    return {row[key]: (row, attributes) for row, attributes in rows}


def _trace_bytes(hi: int, lo: int) -> bytes:
    return (hi << 64 | lo).to_bytes(16, "big") if hi or lo else b""


def _span_bytes(span_id: int) -> bytes:
    return span_id.to_bytes(8, "big") if span_id else b""


def _traces(tables: Mapping[str, pa.Table]) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    groups = _Groups(tables, request.resource_spans.add, "scope_spans")
    spans: dict[int, Any] = {}
    for row, attributes in zip(
        rows_of(tables["spans"]), message_rows(tables["spans"]), strict=True
    ):
        span = groups.group(row["resource_id"], row["scope_id"]).spans.add()
        spans[row["row_id"]] = span
        span.trace_id = _trace_bytes(row["trace_hi"], row["trace_lo"])
        span.span_id = _span_bytes(row["span_id"])
        span.parent_span_id = _span_bytes(row["parent_span_id"])
        span.start_time_unix_nano = row["start_unix_nano"] % _U64
        span.end_time_unix_nano = (row["start_unix_nano"] + row["duration_ns"]) % _U64
        if row["status_code"] or row["status_message"]:
            span.status.code = row["status_code"]
            span.status.message = row["status_message"]
        for name in (
            "trace_state", "flags", "name", "kind", "dropped_attributes_count",
            "dropped_events_count", "dropped_links_count",
        ):  # fmt: skip
            setattr(span, name, row[name])
        span.attributes.extend(attributes)
    for row, attributes in zip(
        rows_of(tables["span_events"]), message_rows(tables["span_events"]), strict=True
    ):
        event = spans[row["row_id"]].events.add()
        event.time_unix_nano = row["time_unix_nano"] % _U64
        event.name = row["name"]
        event.dropped_attributes_count = row["dropped_attributes_count"]
        event.attributes.extend(attributes)
    for row, attributes in zip(
        rows_of(tables["span_links"]), message_rows(tables["span_links"]), strict=True
    ):
        link = spans[row["row_id"]].links.add()
        link.trace_id = _trace_bytes(row["linked_trace_hi"], row["linked_trace_lo"])
        link.span_id = _span_bytes(row["linked_span_id"])
        link.trace_state = row["trace_state"]
        link.flags = row["flags"]
        link.dropped_attributes_count = row["dropped_attributes_count"]
        link.attributes.extend(attributes)
    return request


def _logs(tables: Mapping[str, pa.Table]) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    groups = _Groups(tables, request.resource_logs.add, "scope_logs")
    for row, attributes in zip(rows_of(tables["logs"]), message_rows(tables["logs"]), strict=True):
        record = groups.group(row["resource_id"], row["scope_id"]).log_records.add()
        record.time_unix_nano = row["time_unix_nano"] % _U64
        record.observed_time_unix_nano = row["observed_time_unix_nano"] % _U64
        record.trace_id = _trace_bytes(row["trace_hi"], row["trace_lo"])
        record.span_id = _span_bytes(row["span_id"])
        if row["body_is_text"]:
            record.body.string_value = row["body"]
        elif row["body_is_text"] is not None:
            record.body.CopyFrom(any_value.of_text(row["body"]))
        for name in (
            "severity_number", "severity_text", "event_name", "flags", "dropped_attributes_count",
        ):  # fmt: skip
            setattr(record, name, row[name])
        record.attributes.extend(attributes)
    return request


def _metrics(tables: Mapping[str, pa.Table]) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    groups = _Groups(tables, request.resource_metrics.add, "scope_metrics")
    series = _by_key(tables["metric_series"], "series_id")
    metrics: dict[tuple[Any, ...], Any] = {}
    for row in rows_of(tables["metric_points"]):
        owner, attributes = series[row["series_id"]]
        identity = tuple(
            value for name, value in owner.items() if name not in ("series_id", "service_name")
        )
        metric = metrics.get(identity)
        if metric is None:
            metric = groups.group(owner["resource_id"], owner["scope_id"]).metrics.add()
            metrics[identity] = metric
            metric.name = owner["name"]
            metric.description = owner["description"]
            metric.unit = owner["unit"]
            metric.metadata.extend(attributes_of_text(owner["metadata"]))
            data = getattr(metric, owner["type"])
            data.SetInParent()
            if owner["type"] not in ("gauge", "summary"):
                data.aggregation_temporality = owner["temporality"]
            if owner["type"] == "sum":
                data.is_monotonic = owner["is_monotonic"]
        point = getattr(metric, owner["type"]).data_points.add()
        point.attributes.extend(attributes)
        fill_point(owner["type"], point, row)
    return request


_MAKERS: Mapping[Signal, Callable[[Mapping[str, pa.Table]], Any]] = {
    Signal.TRACES: _traces,
    Signal.LOGS: _logs,
    Signal.METRICS: _metrics,
}
