from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from longpole.formats import jaeger, otlp
from longpole.formats.rows import spans_of, telemetry_of_spans
from longpole.model.signals import Signal
from longpole.model.span import Resource, Scope, Span, SpanEvent, SpanLink

FIXTURE = Path(__file__).parent / "fixtures" / "jaeger.json"
TRACE = 0x4BF92F3577B34DA6A3CE929D0E0E4736
START = 1_700_000_000_000_000_000


def test_the_fixture_reads_back() -> None:
    told = jaeger.decode(FIXTURE.read_bytes())
    assert (told.rejected, told.problems) == (0, ())
    root, child = spans_of(told.tables)
    assert root == Span(
        trace_id=TRACE,
        span_id=0x00F067AA0BA902B7,
        parent_span_id=0,
        name="POST /pay",
        kind=2,
        start_unix_nano=START,
        end_unix_nano=START + 250_000_000,
        service_name="checkout",
        attributes={
            "http.status_code": 502,
            "sampler.param": 0.5,
            "internal": False,
            "blob": b"\x00\x01",
        },
        events=(SpanEvent(START + 100_000_000, "retry", {"attempt": 2}),),
        resource=Resource({"host.name": "web-1", "service.name": "checkout"}),
    )
    assert child.parent_span_id == root.span_id
    assert (child.kind, child.status_code, child.status_message) == (3, 2, "deadline exceeded")
    assert child.links == (SpanLink(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331),)
    assert child.scope == Scope("shop.cards")
    assert child.attributes == {}


def test_a_single_trace_is_understood() -> None:
    trace = orjson.loads(FIXTURE.read_bytes())["data"][0]
    whole = jaeger.decode(FIXTURE.read_bytes())
    assert spans_of(jaeger.decode(orjson.dumps(trace)).tables) == spans_of(whole.tables)
    alone = jaeger.decode(orjson.dumps({"data": trace}))
    assert spans_of(alone.tables) == spans_of(whole.tables)


def test_what_is_encoded_decodes_to_the_same_spans() -> None:
    spans = spans_of(jaeger.decode(FIXTURE.read_bytes()).tables)
    ok = replace(spans[0], span_id=5, status_code=1, trace_state="a=b", flags=1)
    other = replace(
        spans[1], trace_id=7, resource=Resource({"n": 1}), service_name="unknown_service"
    )
    everything = [*spans, ok, other]
    document = jaeger.encode(telemetry_of_spans(everything).tables)
    assert spans_of(jaeger.decode(document).tables) == everything


def test_nested_values_leave_as_json_text() -> None:
    span = Span(TRACE, 1, 0, "a", 0, 0, 0, attributes={"l": [1, b"x"], "m": {"a": None}})
    tree = orjson.loads(jaeger.encode(telemetry_of_spans([span]).tables))
    tags = {tag["key"]: tag["value"] for tag in tree["data"][0]["spans"][0]["tags"]}
    assert tags == {"l": '[1,"eA=="]', "m": '{"a":null}'}


def test_the_body_is_otlp_that_holds_the_same_rows() -> None:
    told = jaeger.decode(FIXTURE.read_bytes())
    again = otlp.decode(Signal.TRACES, told.body)
    assert spans_of(again.tables) == spans_of(told.tables)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"startTime": "soon"}, "malformed_record"),
        ({"tags": 5}, "malformed_record"),
        ({"tags": [{"key": "k", "type": "int64", "value": "x"}]}, "malformed_record"),
        ({"operationName": []}, "malformed_record"),
        ({"references": [5]}, "malformed_record"),
        ({"logs": [{"fields": {}}]}, "malformed_record"),
        ({"spanID": "xyz"}, "invalid_span_id"),
        ({"traceID": 5}, "invalid_trace_id"),
    ],
)
def test_a_bad_span_costs_only_itself(change: dict[str, Any], code: str) -> None:
    tree = orjson.loads(FIXTURE.read_bytes())
    tree["data"][0]["spans"][0].update(change)
    told = jaeger.decode(orjson.dumps(tree))
    assert (told.accepted, told.rejected) == (1, 1)
    assert [p.code for p in told.problems] == [code]


@pytest.mark.parametrize(
    "body", [b"5", b"{", b'{"data":5}', b'{"data":[5]}', b'{"data":[{"processes":[]}]}']
)
def test_what_is_no_jaeger_json_is_malformed(body: bytes) -> None:
    with pytest.raises(otlp.MalformedRequest):
        jaeger.decode(body)
