"""Zipkin v2 JSON: an array of spans with string tags and times in microseconds.

Zipkin lets client and server share one span id; both halves are kept under it, and tree
repair tells them apart by their kinds. The server's half may come without a time of its own;
then it gets that of the client's half.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from longpole.formats import foreign
from longpole.formats.json_text import parse_json
from longpole.formats.malformed import MalformedRequest
from longpole.formats.rows import spans_of
from longpole.formats.tally import EXAMPLES_KEPT
from longpole.model.ids import span_id_hex, trace_id_hex
from longpole.model.problem import Problem, Severity
from longpole.model.span import (
    UNKNOWN_SERVICE,
    AttributeValue,
    Resource,
    Scope,
    Span,
    SpanEvent,
    SpanKind,
)
from longpole.model.telemetry import Telemetry

_ADDRESS_KEYS = {
    "localEndpoint": {"ipv4": "network.local.address", "port": "network.local.port"},
    "remoteEndpoint": {"ipv4": "network.peer.address", "port": "network.peer.port"},
}
_PEER = "peer.service"


def decode(body: bytes) -> Telemetry:
    """The spans of a JSON array (of spans, or of arrays of spans as the API answers lists of
    traces), or of a single span. Raises `MalformedRequest`."""
    return decode_tree(parse_json(body))


def decode_tree(tree: object) -> Telemetry:
    """The same for parsed JSON."""
    spans = [tree] if isinstance(tree, dict) else tree
    if not isinstance(spans, list):
        raise MalformedRequest("The Zipkin JSON cannot be read: it is no array of spans.")
    telemetry = foreign.telemetry_of(_records(spans))
    return replace(telemetry, problems=(*telemetry.problems, *_timeless(telemetry)))


def _timeless(telemetry: Telemetry) -> tuple[Problem, ...]:
    """The spans that say nowhere when they ran."""
    rows = telemetry.tables["spans"]
    found = rows.filter(pc.equal(rows["start_unix_nano"], 0))
    if not found.num_rows:
        return ()
    return (
        Problem(
            "span_without_time",
            "Spans without a timestamp are kept at the beginning of 1970, since nothing says "
            "when they ran.",
            Severity.WARNING,
            found.num_rows,
            tuple(found["span_id"].slice(0, EXAMPLES_KEPT).to_pylist()),
        ),
    )


def _records(spans: list[Any]) -> Iterator[tuple[str, Callable[[], Span]]]:
    # Equal resources should be one object: rows are grouped by them.
    resources: dict[tuple[Any, ...], Resource] = {}
    places = list(_places(spans))
    halves = _client_halves(item for _, item in places)
    for path, item in places:
        yield path, partial(_span, item, resources, halves)


def _places(spans: list[Any]) -> Iterator[tuple[str, object]]:
    for index, item in enumerate(spans):
        if isinstance(item, list):
            yield from ((f"[{index}][{inner}]", span) for inner, span in enumerate(item))
        else:
            yield f"[{index}]", item


_Ids = tuple[int, int]


def _client_halves(spans: Iterable[object]) -> Mapping[_Ids, Mapping[str, Any]]:
    """The spans that began what a shared half without a time belongs to, by their ids. Empty
    when nothing needs them, which is nearly always."""
    known = [span for span in spans if isinstance(span, dict)]
    wanted = {_ids(span) for span in known if _needs_time(span)}
    if not wanted:
        return {}
    return {
        ids: span
        for span in known
        if not span.get("shared")
        and _is_number(span.get("timestamp"))
        and (ids := _ids(span)) in wanted
    }


def _needs_time(span: Mapping[str, Any]) -> bool:
    return span.get("shared") is True and span.get("timestamp") in (None, 0)


def _is_number(content: object) -> bool:
    return isinstance(content, int | float) and not isinstance(content, bool)


def _ids(span: Mapping[str, Any]) -> _Ids:
    return (
        foreign.hex_number(span.get("traceId"), 32),
        foreign.hex_number(span.get("id"), 16),
    )


def _span(
    content: object,
    resources: dict[tuple[Any, ...], Resource],
    halves: Mapping[_Ids, Mapping[str, Any]],
) -> Span:
    span = foreign.fields(content)
    if halves and _needs_time(span) and (half := halves.get(_ids(span))) is not None:
        # Its own duration, if it has one, is better than the caller's.
        span = {**span, "timestamp": half["timestamp"]}
        if span.get("duration") is None and _is_number(half.get("duration")):
            span["duration"] = half["duration"]
    attributes: dict[str, AttributeValue] = {}
    for key, value in foreign.fields(span.get("tags"), "tags").items():
        attributes[key] = value if isinstance(value, str) else foreign.plain_text(value)
    service = _endpoint(span, "localEndpoint", attributes)
    peer = _endpoint(span, "remoteEndpoint", attributes)
    if peer:
        attributes.setdefault(_PEER, peer)
    kind_name = foreign.text(span.get("kind"), "kind").lower()
    kind: int = foreign.KIND_TAGS.get(kind_name, SpanKind.UNSPECIFIED)
    status, message = _status(attributes)
    start = foreign.nanoseconds(span.get("timestamp"), "timestamp")
    resource = resources.setdefault(
        (service,), Resource({"service.name": service} if service else {})
    )
    scope_name = attributes.pop("otel.scope.name", "")
    scope_version = attributes.pop("otel.scope.version", "")
    return Span(
        trace_id=foreign.hex_number(span.get("traceId"), 32),
        span_id=foreign.hex_number(span.get("id"), 16),
        parent_span_id=foreign.hex_number(span.get("parentId"), 16),
        name=foreign.text(span.get("name"), "name"),
        kind=kind,
        start_unix_nano=start,
        end_unix_nano=start + foreign.nanoseconds(span.get("duration"), "duration"),
        service_name=resource.service_name,
        status_code=status,
        status_message=message,
        attributes=attributes,
        events=tuple(
            _event(item, index)
            for index, item in enumerate(foreign.items(span.get("annotations"), "annotations"))
        ),
        resource=resource,
        scope=Scope(str(scope_name), str(scope_version)),
    )


def _status(attributes: dict[str, AttributeValue]) -> tuple[int, str]:
    """Zipkin knows one status: a tag `error`, whose value is a message or just "true"."""
    status: int = foreign.STATUS_TAGS.get(str(attributes.pop("otel.status_code", "")), 0)
    message = str(attributes.pop("otel.status_description", ""))
    if "error" in attributes and attributes["error"] != "false":
        error = str(attributes.pop("error"))
        status = foreign.STATUS_TAGS["ERROR"]
        if not message and error != "true":
            message = error
    return status, message


def _endpoint(span: Mapping[str, Any], name: str, attributes: dict[str, AttributeValue]) -> str:
    """The endpoint's service name; its address goes into attributes."""
    endpoint = foreign.fields(span.get(name), name)
    keys = _ADDRESS_KEYS[name]
    address = endpoint.get("ipv4") or endpoint.get("ipv6")
    if isinstance(address, str) and address:
        attributes.setdefault(keys["ipv4"], address)
    port = endpoint.get("port")
    if isinstance(port, int) and not isinstance(port, bool) and 0 < port < 65536:
        attributes.setdefault(keys["port"], port)
    service = foreign.text(endpoint.get("serviceName"), f"{name}.serviceName")
    return "" if service == UNKNOWN_SERVICE else service


def _event(content: object, index: int) -> SpanEvent:
    annotation = foreign.fields(content, f"annotations[{index}]")
    return SpanEvent(
        foreign.nanoseconds(annotation.get("timestamp"), f"annotations[{index}].timestamp"),
        foreign.text(annotation.get("value"), f"annotations[{index}].value"),
    )


def encode(tables: Mapping[str, pa.Table]) -> bytes:
    """A JSON array of the spans, in the order of rows. Attributes become strings; links,
    event attributes and nanoseconds have no place in Zipkin and are left out."""
    spans = spans_of(tables)
    clients = {(span.trace_id, span.span_id) for span in spans if span.kind == SpanKind.CLIENT}
    return orjson.dumps([_tree(span, clients) for span in spans])


def _tree(span: Span, clients: set[tuple[int, int]]) -> dict[str, Any]:
    tree: dict[str, Any] = {
        "traceId": trace_id_hex(span.trace_id),
        "id": span_id_hex(span.span_id),
        "name": span.name,
        # Zipkin takes 0 for "unknown" and wants durations of at least 1.
        "timestamp": foreign.microseconds(span.start_unix_nano),
        "duration": max(
            1,
            foreign.microseconds(span.end_unix_nano) - foreign.microseconds(span.start_unix_nano),
        ),
        "localEndpoint": {"serviceName": span.service_name},
    }
    if span.parent_span_id:
        tree["parentId"] = span_id_hex(span.parent_span_id)
    if SpanKind.SERVER <= span.kind <= SpanKind.CONSUMER:
        tree["kind"] = SpanKind(span.kind).name
    if span.kind == SpanKind.SERVER and (span.trace_id, span.span_id) in clients:
        tree["shared"] = True
    tags = {key: foreign.plain_text(value) for key, value in span.resource.attributes.items()}
    tags.pop("service.name", None)
    tags.update({key: foreign.plain_text(value) for key, value in span.attributes.items()})
    if isinstance(span.attributes.get(_PEER), str):
        tree["remoteEndpoint"] = {"serviceName": tags.pop(_PEER)}
    if span.status_code == foreign.STATUS_TAGS["ERROR"]:
        tags["error"] = span.status_message or "true"
    elif span.status_code == foreign.STATUS_TAGS["OK"]:
        tags["otel.status_code"] = "OK"
    if span.scope.name:
        tags["otel.scope.name"] = span.scope.name
    if span.scope.version:
        tags["otel.scope.version"] = span.scope.version
    tree["tags"] = tags
    tree["annotations"] = [
        {"timestamp": foreign.microseconds(event.time_unix_nano), "value": event.name}
        for event in span.events
    ]
    return tree
