"""The compiled decoder says what the reference says, of anything."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from longpole.formats import bounded_decoding, otlp
from longpole.formats.compiled.decoder import FastDecoder
from longpole.formats.compiled.readiness import DECODING
from longpole.model.readiness import CompiledCode, Readiness
from longpole.model.signals import Signal
from tests.formats.comparison import identical
from tests.formats.compiled.agreement import (
    HOWEVER_SMALL,
    agrees,
    decoded,
    field,
    relaxed,
    request_of,
    same,
)
from tests.formats.requests import trace_requests
from tests.formats.test_otlp_properties import mutated, mutations


def plain(seed: int, spans: int) -> ExportTraceServiceRequest:
    """As SDKs send it: own ids, texts of several alphabets, every type of value."""
    chance = random.Random(seed)
    request = ExportTraceServiceRequest()
    for _ in range(1 + seed % 3):
        group = request.resource_spans.add(schema_url="https://opentelemetry.io/schemas/1.30.0")
        for key, value in (("service.name", f"cart-{seed % 4}"), ("host.name", "größer")):
            group.resource.attributes.add(key=key).value.string_value = value
        arguments = group.resource.attributes.add(key="process.command_args").value.array_value
        arguments.values.add().string_value = "serve"
        scope = group.scope_spans.add()
        scope.scope.name = "io.opentelemetry.http"
        for number in range(spans):
            span = scope.spans.add(
                trace_id=chance.randbytes(16), span_id=chance.randbytes(8),
                parent_span_id=chance.randbytes(8) if number % 3 else b"",
                name=chance.choice(["GET /cart", "取得", "", "naïve"]), kind=number % 6,
                start_time_unix_nano=chance.randrange(2**64), flags=number % 4,
                end_time_unix_nano=chance.randrange(2**64), trace_state="a=1" * (number % 2),
                dropped_attributes_count=number % 2, dropped_links_count=chance.randrange(2**32),
            )  # fmt: skip
            attributes_of(span, chance)
            if number % 4 == 0:
                event = span.events.add(name="exception", time_unix_nano=chance.randrange(2**64))
                event.attributes.add(key="exception.type").value.string_value = "ValueError"
                span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="went wrong"))
                link = span.links.add(trace_id=chance.randbytes(16), span_id=chance.randbytes(8))
                link.attributes.add(key="k").value.int_value = -1
    return request


def attributes_of(span: Span, chance: random.Random) -> None:
    span.attributes.add(key="http.route").value.string_value = "/cart/{id}" * chance.randrange(9)
    span.attributes.add(key="http.status").value.int_value = chance.randrange(-(2**63), 2**63)
    span.attributes.add(key="ratio").value.double_value = chance.choice([0.0, -0.0, 1.5, 1e300])
    span.attributes.add(key="is_hot").value.bool_value = chance.random() < 0.5
    span.attributes.add(key="raw").value.bytes_value = chance.randbytes(3)
    span.attributes.add(key="nothing")
    values = span.attributes.add(key="tags").value.array_value.values
    values.add().string_value = "ü"


ONE_SPAN = Span(trace_id=b"t" * 16, span_id=b"s" * 8, name="a").SerializeToString()


@pytest.mark.parametrize("seed", range(3))
def test_what_sdks_send_is_read_by_the_loops(seed: int) -> None:
    assert agrees(plain(seed, 20).SerializeToString())


@settings(relaxed, max_examples=40)
@given(trace_requests, mutations)
def test_odd_and_damaged_requests_mean_the_same(
    request: Any, changes: list[tuple[int, int, bytes]]
) -> None:
    agrees(request.SerializeToString())
    agrees(mutated(request.SerializeToString(), changes))


@pytest.mark.full
@pytest.mark.timeout(1800)
@settings(relaxed, max_examples=3000)
@given(trace_requests, st.integers(0, 50), mutations, st.binary(max_size=400))
def test_all_of_it_with_many_examples(
    request: Any, seed: int, changes: list[tuple[int, int, bytes]], noise: bytes
) -> None:
    agrees(noise)
    agrees(request.SerializeToString())
    agrees(mutated(request.SerializeToString(), changes))
    body = plain(seed, 3).SerializeToString()
    agrees(mutated(body, [(place * 37 + seed, how, new) for place, how, new in changes]))


def test_every_cut_of_a_request_means_the_same() -> None:
    body = plain(0, 1).SerializeToString()
    for end in range(0, len(body), 3):
        agrees(body[:end])


def test_every_changed_byte_means_the_same() -> None:
    body = plain(0, 1).SerializeToString()
    chance = random.Random(7)
    for place in range(0, len(body), 3):
        agrees(body[:place] + bytes([chance.randrange(256)]) + body[place + 1 :])


@pytest.mark.parametrize(
    "later",
    [
        b"\x98\x06\x07",  # an unknown number
        b"\xa2\x06\x03abc",  # unknown bytes
        b"\xa1\x06" + bytes(8),
        b"\xa5\x06" + bytes(4),
    ],
)
def test_fields_of_later_versions_are_passed_by(later: bytes) -> None:
    scope = field(2, ONE_SPAN + later) + later
    assert agrees(field(1, field(2, scope) + later) + later)


def test_more_rows_than_the_first_try_has_room_for_are_read() -> None:
    request = plain(0, 1)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    for number in range(200):
        span.attributes.add(key=str(number))
    for _ in range(1_000):
        span.events.add()
    assert agrees(request.SerializeToString())


def test_until_the_loops_are_ready_the_reference_decodes() -> None:
    class Compiling(CompiledCode):
        def __init__(self) -> None:
            super().__init__("none", lambda is_stopping: False, "none")

    body = plain(2, 5).SerializeToString()
    code = Compiling()

    read = FastDecoder(code, HOWEVER_SMALL)(Signal.TRACES, body)

    assert code.state is Readiness.IDLE
    assert identical(read.tables, otlp.decode(Signal.TRACES, body).tables)


def test_large_requests_are_read_in_slices_by_the_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DECODING, "_state", Readiness.READY)
    body = plain(2, 200).SerializeToString()

    read = bounded_decoding.decode(Signal.TRACES, body, 64 << 10, decoder=FastDecoder())

    same(read, bounded_decoding.decode(Signal.TRACES, body, 64 << 10))


def test_a_name_that_is_not_text_is_not_hidden_by_a_second_one() -> None:
    body = request_of(ONE_SPAN + field(5, b"\xff") + field(5, b"ok"))
    same(decoded(body), otlp.decode(Signal.TRACES, body))


@pytest.mark.parametrize("again", [Status(code=Status.STATUS_CODE_OK), Status(message="b")])
def test_a_status_that_comes_twice_is_merged(again: Status) -> None:
    first = Status(code=Status.STATUS_CODE_ERROR, message="a").SerializeToString()
    body = request_of(ONE_SPAN + field(15, first) + field(15, again.SerializeToString()))
    same(decoded(body), otlp.decode(Signal.TRACES, body))


def test_the_same_service_is_known_again_and_a_changed_one_is_not_mixed_up() -> None:
    first, second = plain(0, 2), plain(0, 2)
    second.resource_spans[0].resource.attributes[0].value.string_value = "other"
    for request in (first, second, first):
        assert agrees(request.SerializeToString())


def test_a_broken_resource_without_spans_is_not_overlooked() -> None:
    request = plain(0, 2)
    request.resource_spans.add().resource.attributes.add(key="k", key_strindex=3)
    body = request.SerializeToString()
    same(decoded(body), otlp.decode(Signal.TRACES, body))
