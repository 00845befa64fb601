"""Tables to objects and back: for single traces, tests and edges, never for hot paths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from longpole.formats import any_value, otlp
from longpole.formats.attributes import AttributeLists, attribute_rows, attributes_of, messages_of
from longpole.formats.otlp_encode import rows_of
from longpole.model.ids import split_trace_id
from longpole.model.log import LogRecord
from longpole.model.signals import Signal
from longpole.model.span import Attributes, Resource, Scope, Span, SpanEvent, SpanLink
from longpole.model.telemetry import Telemetry

__all__ = [
    "AttributeLists",
    "attributes_of",
    "logs_of",
    "spans_of",
    "telemetry_of_logs",
    "telemetry_of_spans",
]

_U64 = 2**64


def spans_of(tables: Mapping[str, pa.Table]) -> list[Span]:
    """One object per row of `spans`, in its order, with events and links by row id (in their
    order) and resource and scope by id. One that is not in the tables is an empty one."""
    resources, scopes = _resources(tables["resources"]), _scopes(tables["scopes"])
    events = _events(tables["span_events"])
    links = _links(tables["span_links"])
    table = tables["spans"]
    columns = [
        table.column(name).to_pylist()
        for name in (
            "row_id", "trace_hi", "trace_lo", "span_id", "parent_span_id", "name", "kind",
            "start_unix_nano", "duration_ns", "service_name", "status_code", "status_message",
            "trace_state", "flags", "dropped_attributes_count", "dropped_events_count",
            "dropped_links_count", "resource_id", "scope_id",
        )
    ]  # fmt: skip
    no_resource, no_scope = Resource(), Scope()
    spans = []
    for row, attributes in zip(zip(*columns, strict=True), attribute_rows(table), strict=True):
        (
            row_id, hi, lo, span_id, parent, name, kind, start, duration, service, code, message,
            state, flags, dropped_attributes, dropped_events, dropped_links, resource, scope,
        ) = row  # fmt: skip
        end = start + duration
        if not -(2**63) <= end < 2**63:
            end = (end + 2**63) % _U64 - 2**63
        spans.append(
            Span(
                (hi << 64) | lo, span_id, parent, name, kind, start, end, service, code, message,
                attributes, events.get(row_id, ()), links.get(row_id, ()), state, flags,
                dropped_attributes, dropped_events, dropped_links,
                resources.get(resource, no_resource), scopes.get(scope, no_scope),
            )
        )  # fmt: skip
    return spans


def logs_of(tables: Mapping[str, pa.Table]) -> list[LogRecord]:
    """One object per row of `logs`, in its order. A record without a body has body None, as
    has one whose body is the empty value."""
    resources, scopes = _resources(tables["resources"]), _scopes(tables["scopes"])
    table = tables["logs"]
    records = []
    for row, attributes in zip(rows_of(table), attribute_rows(table), strict=True):
        body = row["body"]
        if row["body_is_text"] is False:
            body = any_value.python_of_text(body)
        elif row["body_is_text"] is None:
            body = None
        records.append(
            LogRecord(
                time_unix_nano=row["time_unix_nano"],
                observed_time_unix_nano=row["observed_time_unix_nano"],
                trace_id=(row["trace_hi"] << 64) | row["trace_lo"],
                span_id=row["span_id"],
                severity_number=row["severity_number"],
                severity_text=row["severity_text"],
                body=body,
                event_name=row["event_name"],
                service_name=row["service_name"],
                attributes=attributes,
                dropped_attributes_count=row["dropped_attributes_count"],
                flags=row["flags"],
                resource=resources.get(row["resource_id"], Resource()),
                scope=scopes.get(row["scope_id"], Scope()),
            )
        )
    return records


def _resources(table: pa.Table) -> dict[int, Resource]:
    return {
        row["resource_id"]: Resource(attributes, row["dropped_attributes_count"], row["schema_url"])
        for row, attributes in zip(rows_of(table), attribute_rows(table), strict=True)
    }


def _scopes(table: pa.Table) -> dict[int, Scope]:
    return {
        row["scope_id"]: Scope(
            row["name"],
            row["version"],
            attributes,
            row["dropped_attributes_count"],
            row["schema_url"],
        )
        for row, attributes in zip(rows_of(table), attribute_rows(table), strict=True)
    }


def _events(table: pa.Table) -> dict[int, tuple[SpanEvent, ...]]:
    found: dict[int, list[SpanEvent]] = defaultdict(list)
    names = ("row_id", "time_unix_nano", "name", "dropped_attributes_count")
    columns = [table.column(name).to_pylist() for name in names]
    for row_id, time, name, dropped, attributes in zip(
        *columns, attribute_rows(table), strict=True
    ):
        found[row_id].append(SpanEvent(time, name, attributes, dropped))
    return {row_id: tuple(events) for row_id, events in found.items()}


def _links(table: pa.Table) -> dict[int, tuple[SpanLink, ...]]:
    found: dict[int, list[SpanLink]] = defaultdict(list)
    for row, attributes in zip(rows_of(table), attribute_rows(table), strict=True):
        found[row["row_id"]].append(
            SpanLink(
                (row["linked_trace_hi"] << 64) | row["linked_trace_lo"],
                row["linked_span_id"],
                row["trace_state"],
                attributes,
                row["dropped_attributes_count"],
                row["flags"],
            )
        )
    return {row_id: tuple(links) for row_id, links in found.items()}


def telemetry_of_spans(spans: Sequence[Span]) -> Telemetry:
    """What a sender of these spans would have caused: each goes through the protobuf form
    and the decoder, so that a span with a zero id is rejected here too. Spans that follow
    one another with equal resource and scope share them; the order of spans is kept. A
    resource without `service.name` gets the span's `service_name`, unless that is unknown.
    """
    request = ExportTraceServiceRequest()
    group: Any = None
    last: tuple[Resource, Scope, str] | None = None
    for span in spans:
        owner = (span.resource, span.scope, span.service_name)
        if group is None or owner != last:
            group = request.resource_spans.add()
            _fill_owner(group, *owner)
            group = group.scope_spans.add()
            _fill_scope(group, span.scope)
            last = owner
        _fill_span(group.spans.add(), span)
    return otlp.decode(Signal.TRACES, request.SerializeToString())


def telemetry_of_logs(records: Sequence[LogRecord]) -> Telemetry:
    """The same for log records."""
    request = ExportLogsServiceRequest()
    group: Any = None
    last: tuple[Resource, Scope, str] | None = None
    for record in records:
        owner = (record.resource, record.scope, record.service_name)
        if group is None or owner != last:
            group = request.resource_logs.add()
            _fill_owner(group, *owner)
            group = group.scope_logs.add()
            _fill_scope(group, record.scope)
            last = owner
        message = group.log_records.add()
        message.time_unix_nano = record.time_unix_nano % _U64
        message.observed_time_unix_nano = record.observed_time_unix_nano % _U64
        message.trace_id = _trace_bytes(record.trace_id)
        message.span_id = _span_bytes(record.span_id)
        message.severity_number = record.severity_number
        message.severity_text = record.severity_text
        if record.body is not None:
            any_value.set_python(message.body, record.body)
        message.event_name = record.event_name
        message.attributes.extend(pairs_of(record.attributes))
        message.dropped_attributes_count = record.dropped_attributes_count
        message.flags = record.flags
    return otlp.decode(Signal.LOGS, request.SerializeToString())


def pairs_of(attributes: Attributes) -> list[KeyValue]:
    """OTLP messages of a dict."""
    return messages_of(AttributeLists.of(attributes))


def _fill_owner(group: Any, resource: Resource, scope: Scope, service_name: str) -> None:
    attributes = dict(resource.attributes)
    if "service.name" not in attributes and service_name != resource.service_name:
        attributes["service.name"] = service_name
    group.resource.attributes.extend(pairs_of(attributes))
    group.resource.dropped_attributes_count = resource.dropped_attributes_count
    group.schema_url = resource.schema_url


def _fill_scope(group: Any, scope: Scope) -> None:
    group.scope.name = scope.name
    group.scope.version = scope.version
    group.scope.attributes.extend(pairs_of(scope.attributes))
    group.scope.dropped_attributes_count = scope.dropped_attributes_count
    group.schema_url = scope.schema_url


def _fill_span(message: Any, span: Span) -> None:
    message.trace_id = _trace_bytes(span.trace_id)
    message.span_id = _span_bytes(span.span_id)
    message.parent_span_id = _span_bytes(span.parent_span_id)
    message.name = span.name
    message.kind = span.kind
    message.start_time_unix_nano = span.start_unix_nano % _U64
    message.end_time_unix_nano = span.end_unix_nano % _U64
    if span.status_code or span.status_message:
        message.status.code = span.status_code
        message.status.message = span.status_message
    message.trace_state = span.trace_state
    message.flags = span.flags
    message.dropped_attributes_count = span.dropped_attributes_count
    message.dropped_events_count = span.dropped_events_count
    message.dropped_links_count = span.dropped_links_count
    message.attributes.extend(pairs_of(span.attributes))
    for event in span.events:
        added = message.events.add()
        added.time_unix_nano = event.time_unix_nano % _U64
        added.name = event.name
        added.attributes.extend(pairs_of(event.attributes))
        added.dropped_attributes_count = event.dropped_attributes_count
    for link in span.links:
        added = message.links.add()
        added.trace_id = _trace_bytes(link.trace_id)
        added.span_id = _span_bytes(link.span_id)
        added.trace_state = link.trace_state
        added.attributes.extend(pairs_of(link.attributes))
        added.dropped_attributes_count = link.dropped_attributes_count
        added.flags = link.flags


def _trace_bytes(trace_id: int) -> bytes:
    hi, lo = split_trace_id(trace_id)
    return hi.to_bytes(8, "big") + lo.to_bytes(8, "big") if trace_id else b""


def _span_bytes(span_id: int) -> bytes:
    return span_id.to_bytes(8, "big") if span_id else b""
