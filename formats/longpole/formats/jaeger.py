"""Jaeger's JSON, as its UI exports it and its HTTP API answers.

Times there are microseconds, so nanoseconds are lost on the way out. Kind, status, scope and
trace state travel as the tags that Jaeger itself uses for OpenTelemetry data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import orjson
import pyarrow as pa

from longpole.formats import any_value, foreign
from longpole.formats.json_fields import FieldFault, double, integer, raw_bytes
from longpole.formats.json_text import parse_json
from longpole.formats.malformed import MalformedRequest
from longpole.formats.rows import spans_of
from longpole.model.ids import span_id_hex, trace_id_hex
from longpole.model.span import (
    UNKNOWN_SERVICE,
    AttributeValue,
    Resource,
    Scope,
    Span,
    SpanEvent,
    SpanLink,
)
from longpole.model.telemetry import Telemetry

_INT64 = (-(2**63), 2**63 - 1)


def decode(body: bytes) -> Telemetry:
    """The spans of `{"data":[{"traceID","spans","processes"}]}` or of one such trace. Raises
    `MalformedRequest`."""
    return decode_tree(parse_json(body))


def decode_tree(tree: object) -> Telemetry:
    """The same for parsed JSON."""
    try:
        return foreign.telemetry_of(_records(tree))
    except FieldFault as fault:
        raise MalformedRequest(f"The Jaeger JSON cannot be read: {fault}.") from None


def _records(tree: object) -> Iterator[tuple[str, Callable[[], Span]]]:
    if isinstance(tree, dict) and "data" in tree:
        content = tree["data"]
        traces = [("data", content)] if isinstance(content, dict) else [
            (f"data[{index}]", trace) for index, trace in enumerate(foreign.items(content, "data"))
        ]  # fmt: skip
    else:
        traces = [("", tree)]
    for path, trace in traces:
        parts = foreign.fields(trace)
        processes = foreign.fields(parts.get("processes"), "processes")
        resources: dict[str, Resource] = {}
        for index, span in enumerate(foreign.items(parts.get("spans"), "spans")):
            where = f"{path}.spans[{index}]".removeprefix(".")
            yield where, partial(_span, span, parts.get("traceID"), processes, resources)


def _span(
    content: object, trace_id: object, processes: Mapping[str, Any], resources: dict[str, Resource]
) -> Span:
    span = foreign.fields(content)
    own_trace = foreign.hex_number(span.get("traceID", trace_id), 32)
    resource = _resource(span, processes, resources)
    attributes = _tags(span.get("tags"), "tags")
    kind = foreign.KIND_TAGS.get(str(attributes.get("span.kind")), 0)
    if kind:
        del attributes["span.kind"]
    status = foreign.STATUS_TAGS.get(str(attributes.get("otel.status_code")), 0)
    if status:
        del attributes["otel.status_code"]
    if attributes.get("error") is True or attributes.get("error") == "true":
        status = foreign.STATUS_TAGS["ERROR"]
        del attributes["error"]
    scope = Scope(
        _taken(attributes, "otel.scope.name", "otel.library.name"),
        _taken(attributes, "otel.scope.version", "otel.library.version"),
    )
    parent, links = _references(span, own_trace)
    start = foreign.nanoseconds(span.get("startTime"), "startTime")
    flags = span.get("flags")
    return Span(
        trace_id=own_trace,
        span_id=foreign.hex_number(span.get("spanID"), 16),
        parent_span_id=parent,
        name=foreign.text(span.get("operationName"), "operationName"),
        kind=kind,
        start_unix_nano=start,
        end_unix_nano=start + foreign.nanoseconds(span.get("duration"), "duration"),
        service_name=resource.service_name,
        status_code=status,
        status_message=_taken(attributes, "otel.status_description"),
        trace_state=_taken(attributes, "w3c.tracestate"),
        flags=flags if type(flags) is int and 0 <= flags < 2**32 else 0,
        events=tuple(
            _event(log, index) for index, log in enumerate(foreign.items(span.get("logs"), "logs"))
        ),
        links=links,
        attributes=attributes,
        resource=resource,
        scope=scope,
    )


def _taken(attributes: dict[str, AttributeValue], *keys: str) -> str:
    """The first of the keys that is a string, taken out; empty when there is none."""
    for key in keys:
        value = attributes.get(key)
        if isinstance(value, str):
            del attributes[key]
            return value
    return ""


def _resource(
    span: Mapping[str, Any], processes: Mapping[str, Any], resources: dict[str, Resource]
) -> Resource:
    name = span.get("processID")
    if isinstance(name, str) and name in resources:
        return resources[name]
    inline = span.get("process")
    process = foreign.fields(
        inline if inline is not None else processes.get(name) if isinstance(name, str) else None,
        "process",
    )
    attributes = _tags(process.get("tags"), "process.tags")
    service = foreign.text(process.get("serviceName"), "process.serviceName")
    if service and service != UNKNOWN_SERVICE:
        attributes["service.name"] = service
    resource = Resource(attributes)
    if isinstance(name, str) and inline is None:
        resources[name] = resource
    return resource


def _references(span: Mapping[str, Any], trace_id: int) -> tuple[int, tuple[SpanLink, ...]]:
    """The parent is the first CHILD_OF (else the first FOLLOWS_FROM is only a link) within
    the trace; whatever else a span refers to is a link."""
    parent = foreign.hex_number(span.get("parentSpanID"), 16)
    links: list[SpanLink] = []
    for content in foreign.items(span.get("references"), "references"):
        reference = foreign.fields(content, "references")
        to_trace = foreign.hex_number(reference.get("traceID"), 32) or trace_id
        to_span = foreign.hex_number(reference.get("spanID"), 16)
        is_parent = reference.get("refType", "CHILD_OF") == "CHILD_OF" and to_trace == trace_id
        if is_parent and parent in (0, to_span):
            parent = to_span
        else:
            links.append(SpanLink(to_trace, to_span))
    return parent, tuple(links)


def _event(content: object, index: int) -> SpanEvent:
    log = foreign.fields(content, f"logs[{index}]")
    attributes = _tags(log.get("fields"), f"logs[{index}].fields")
    time = foreign.nanoseconds(log.get("timestamp"), f"logs[{index}].timestamp")
    return SpanEvent(time, _taken(attributes, "event"), attributes)


def _tags(content: object, where: str) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {}
    for index, item in enumerate(foreign.items(content, where)):
        tag = foreign.fields(item, f"{where}[{index}]")
        try:
            found[foreign.text(tag.get("key"), "key")] = _tag_value(tag)
        except FieldFault as fault:
            raise fault.under(f".{where}[{index}]") from None
    return found


def _tag_value(tag: Mapping[str, Any]) -> AttributeValue:
    kind, value = tag.get("type"), tag.get("value")
    try:
        if kind == "int64":
            return integer(value, _INT64)
        if kind == "float64":
            return double(value)
        if kind == "binary":
            return raw_bytes(value)
    except FieldFault as fault:
        raise fault.under(".value") from None
    if kind == "bool":
        return value if isinstance(value, bool) else value == "true"
    if isinstance(value, list | dict):
        return orjson.dumps(value).decode()
    if value is None:
        return ""
    return value  # type: ignore[no-any-return]


def encode(tables: Mapping[str, pa.Table]) -> bytes:
    """One JSON document, `{"data":[...]}`, a trace per element in the order of first rows."""
    return orjson.dumps({"data": trees(tables)})


def trees(tables: Mapping[str, pa.Table]) -> list[dict[str, Any]]:
    """The same as trees that orjson writes, each trace with at least one span."""
    traces: dict[int, dict[str, Any]] = {}
    process_ids: dict[tuple[int, int], str] = {}
    for span in spans_of(tables):
        trace = traces.setdefault(
            span.trace_id,
            {"traceID": trace_id_hex(span.trace_id), "spans": [], "processes": {}},
        )
        # Spans of one resource share the object, and `spans_of` keeps it alive.
        owner = (span.trace_id, id(span.resource))
        process = process_ids.get(owner)
        if process is None:
            process = process_ids[owner] = f"p{len(trace['processes']) + 1}"
            attributes = dict(span.resource.attributes)
            attributes.pop("service.name", None)
            trace["processes"][process] = {
                "serviceName": span.service_name,
                "tags": _tags_of(attributes),
            }
        trace["spans"].append(_span_tree(span, process))
    return list(traces.values())


def _span_tree(span: Span, process: str) -> dict[str, Any]:
    attributes = dict(span.attributes)
    kinds = {kind: name for name, kind in foreign.KIND_TAGS.items()}
    if span.kind in kinds:
        attributes["span.kind"] = kinds[span.kind]  # type: ignore[index]
    if span.status_code == foreign.STATUS_TAGS["ERROR"]:
        attributes["otel.status_code"], attributes["error"] = "ERROR", True
    elif span.status_code == foreign.STATUS_TAGS["OK"]:
        attributes["otel.status_code"] = "OK"
    for key, value in (
        ("otel.status_description", span.status_message),
        ("w3c.tracestate", span.trace_state),
        ("otel.scope.name", span.scope.name),
        ("otel.scope.version", span.scope.version),
    ):
        if value:
            attributes[key] = value
    references = [("CHILD_OF", span.trace_id, span.parent_span_id)] if span.parent_span_id else []
    references += [("FOLLOWS_FROM", link.trace_id, link.span_id) for link in span.links]
    start = foreign.microseconds(span.start_unix_nano)
    return {
        "traceID": trace_id_hex(span.trace_id),
        "spanID": span_id_hex(span.span_id),
        "flags": span.flags,
        "operationName": span.name,
        "references": [
            {"refType": kind, "traceID": trace_id_hex(trace), "spanID": span_id_hex(to)}
            for kind, trace, to in references
        ],
        "startTime": start,
        "duration": foreign.microseconds(span.end_unix_nano) - start,
        "tags": _tags_of(attributes),
        "logs": [
            {
                "timestamp": foreign.microseconds(event.time_unix_nano),
                "fields": _tags_of({"event": event.name, **event.attributes}),
            }
            for event in span.events
        ],
        "processID": process,
        "warnings": None,
    }


def _tags_of(attributes: Mapping[str, AttributeValue]) -> list[dict[str, Any]]:
    return [{"key": key, **_typed(value)} for key, value in attributes.items()]


def _typed(value: AttributeValue) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"type": "bool", "value": value}
    if isinstance(value, int):
        return {"type": "int64", "value": value}
    if isinstance(value, float):
        return {"type": "float64", "value": orjson.Fragment(any_value.json_double(value))}
    if isinstance(value, bytes):
        return {"type": "binary", "value": any_value.base64_text(value)}
    return {"type": "string", "value": foreign.plain_text(value)}
