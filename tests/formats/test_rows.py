from __future__ import annotations

from longpole.formats import otlp
from longpole.formats.rows import (
    AttributeLists,
    attributes_of,
    logs_of,
    spans_of,
    telemetry_of_logs,
    telemetry_of_spans,
)
from longpole.model.log import LogRecord
from longpole.model.signals import Signal
from longpole.model.span import AttributeValue, Resource, Scope, Span, SpanEvent, SpanLink

ATTRIBUTES: dict[str, AttributeValue] = {
    "s": "text",
    "i": -(2**63),
    "d": 0.1,
    "b": True,
    "raw": b"\x00\xff",
    "list": [1, "a", [None, 2.5]],
    "map": {"x": {"y": False}},
    "nothing": None,
}
RESOURCE = Resource({"service.name": "shop", "n": 3}, 2, "https://schema")
SCOPE = Scope("lib", "1.0", {"k": 1}, 4, "https://other")


def span(**changes: object) -> Span:
    fields: dict[str, object] = {
        "trace_id": 2**127 + 5, "span_id": 2**63 + 1, "parent_span_id": 3, "name": "op",
        "kind": 2, "start_unix_nano": 5, "end_unix_nano": 9, "service_name": "shop",
        "status_code": 2, "status_message": "bad", "attributes": ATTRIBUTES,
        "events": (SpanEvent(6, "e", ATTRIBUTES, 1), SpanEvent(7, "f")),
        "links": (SpanLink(1, 2, "a=b", {"k": "v"}, 3, 4),), "trace_state": "c=d", "flags": 257,
        "dropped_attributes_count": 1, "dropped_events_count": 2, "dropped_links_count": 3,
        "resource": RESOURCE, "scope": SCOPE,
    }  # fmt: skip
    return Span(**{**fields, **changes})  # type: ignore[arg-type]


def test_spans_survive_the_tables() -> None:
    spans = [span(), span(span_id=8, resource=Resource(), service_name="unknown_service"), span()]
    assert spans_of(telemetry_of_spans(spans).tables) == spans


def test_a_service_name_alone_becomes_the_resource_attribute() -> None:
    (found,) = spans_of(telemetry_of_spans([span(resource=Resource())]).tables)
    assert found.service_name == "shop"
    assert found.resource.attributes == {"service.name": "shop"}


def test_times_beyond_63_bits_wrap_back() -> None:
    odd = span(start_unix_nano=-5, end_unix_nano=2**63 - 1)
    assert spans_of(telemetry_of_spans([odd]).tables) == [odd]


def test_no_spans_are_no_rows() -> None:
    told = telemetry_of_spans([])
    assert spans_of(told.tables) == []
    assert told.body == b""


def test_logs_survive_the_tables() -> None:
    bodies: list[AttributeValue] = ["text", 5, True, 1.5, b"x", [1, {"a": "b"}], {}, None, ""]
    records = [
        LogRecord(1, 2, 2**127, 7, 17, "ERROR", body, "event", "shop", ATTRIBUTES, 3, 1,
                  RESOURCE, SCOPE)
        for body in bodies
    ]  # fmt: skip
    told = telemetry_of_logs(records)
    assert logs_of(told.tables) == records
    assert logs_of(otlp.decode(Signal.LOGS, told.body).tables) == records


def test_attribute_lists_turn_back_into_the_dict() -> None:
    lists = AttributeLists.of(ATTRIBUTES)
    assert lists.to_dict() == ATTRIBUTES
    assert attributes_of(lists.as_row()) == ATTRIBUTES


def test_an_int_beyond_64_bits_is_kept_as_a_double() -> None:
    assert AttributeLists.of({"k": 2**64}).to_dict() == {"k": float(2**64)}
