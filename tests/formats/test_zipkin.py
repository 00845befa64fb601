from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from longpole.formats import zipkin
from longpole.formats.malformed import MalformedRequest
from longpole.formats.rows import spans_of, telemetry_of_spans
from longpole.model.span import Resource, Span, SpanEvent, SpanKind

FIXTURE = Path(__file__).parent / "fixtures" / "zipkin.json"
TRACE = 0xA3CE929D0E0E4736
START = 1_700_000_000_000_000_000


def test_the_fixture_reads_back() -> None:
    told = zipkin.decode(FIXTURE.read_bytes())
    assert (told.rejected, told.problems) == (0, ())
    client, server, local = spans_of(told.tables)
    assert client == Span(
        trace_id=TRACE,
        span_id=0x00F067AA0BA902B7,
        parent_span_id=0,
        name="post /pay",
        kind=SpanKind.CLIENT,
        start_unix_nano=START,
        end_unix_nano=START + 250_000_000,
        service_name="web",
        attributes={
            "http.path": "/pay",
            "network.local.address": "10.0.0.1",
            "network.local.port": 8080,
            "peer.service": "payments",
        },
        events=(SpanEvent(START + 100_000_000, "retry"),),
        resource=Resource({"service.name": "web"}),
    )
    assert (server.span_id, server.kind) == (client.span_id, SpanKind.SERVER)
    assert (server.status_code, server.status_message) == (2, "deadline exceeded")
    assert (local.service_name, local.duration_ns) == ("unknown_service", 0)


def test_what_is_encoded_decodes_to_the_same_spans() -> None:
    spans = spans_of(zipkin.decode(FIXTURE.read_bytes()).tables)
    ok = replace(spans[1], span_id=9, status_code=1, status_message="", kind=SpanKind.PRODUCER)
    timed = replace(spans[2], end_unix_nano=START + 30_000_000)
    # Zipkin has only string tags.
    client = replace(spans[0], attributes={**spans[0].attributes, "network.local.port": "8080"})
    everything = [client, spans[1], timed, ok]
    document = zipkin.encode(telemetry_of_spans(everything).tables)
    assert [span.get("shared") for span in orjson.loads(document)] == [None, True, None, None]
    assert spans_of(zipkin.decode(document).tables) == everything


def test_lists_of_traces_and_single_spans_are_understood() -> None:
    spans = orjson.loads(FIXTURE.read_bytes())
    assert zipkin.decode(orjson.dumps([spans[:2], spans[2:]])).accepted == 3
    assert zipkin.decode(orjson.dumps(spans[0])).accepted == 1


def test_an_error_tag_is_a_status() -> None:
    spans = orjson.loads(FIXTURE.read_bytes())[:1]
    for tag, status, message in (
        ("true", 2, ""),
        ("", 2, ""),
        ("boom", 2, "boom"),
        ("false", 0, ""),
    ):
        spans[0]["tags"] = {"error": tag}
        found = spans_of(zipkin.decode(orjson.dumps(spans)).tables)[0]
        assert (found.status_code, found.status_message) == (status, message)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"timestamp": {}}, "malformed_record"),
        ({"tags": []}, "malformed_record"),
        ({"localEndpoint": 5}, "malformed_record"),
        ({"annotations": [{"value": 5}]}, "malformed_record"),
        ({"id": ""}, "invalid_span_id"),
        ({"traceId": "0"}, "invalid_trace_id"),
    ],
)
def test_a_bad_span_costs_only_itself(change: dict[str, Any], code: str) -> None:
    spans = orjson.loads(FIXTURE.read_bytes())
    spans[1].update(change)
    told = zipkin.decode(orjson.dumps(spans))
    assert (told.accepted, told.rejected) == (2, 1)
    assert [p.code for p in told.problems] == [code]


def test_a_shared_half_without_a_time_runs_while_its_client_half_does() -> None:
    spans = orjson.loads(FIXTURE.read_bytes())[:2]
    for name in ("timestamp", "duration"):
        spans[1].pop(name, None)
    spans[1]["shared"] = True
    for order in (spans, spans[::-1], [[spans[1]], [spans[0]]]):
        told = zipkin.decode(orjson.dumps(order))
        client, server = sorted(spans_of(told.tables), key=lambda span: -span.kind)
        assert (client.kind, server.kind) == (SpanKind.CLIENT, SpanKind.SERVER)
        assert (server.start_unix_nano, server.end_unix_nano) == (START, START + 250_000_000)
        assert told.problems == ()
    spans[1]["duration"] = 7
    server = spans_of(zipkin.decode(orjson.dumps(spans)).tables)[1]
    assert (server.start_unix_nano, server.duration_ns) == (START, 7000)


def test_a_span_that_never_says_when_it_ran_is_a_problem() -> None:
    spans = orjson.loads(FIXTURE.read_bytes())[:2]
    spans[1].pop("timestamp")
    for shared in (False, True, "yes", None):
        # Not shared, or with nobody to share it with: no time can be inherited.
        spans[1] |= {"shared": shared, "id": "77"}
        told = zipkin.decode(orjson.dumps(spans))
        assert (told.accepted, told.rejected) == (2, 0)
        assert [(p.code, p.count, p.span_ids) for p in told.problems] == [
            ("span_without_time", 1, (0x77,))
        ]


@pytest.mark.parametrize("body", [b"5", b"[", b'"text"'])
def test_what_is_no_zipkin_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        zipkin.decode(body)
