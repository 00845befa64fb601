from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longpole.formats import otlp
from longpole.formats.otlp_json import json_of_request
from longpole.model.signals import Signal
from tests.formats.comparison import check_body, contents, identical
from tests.formats.requests import log_requests, metric_requests, trace_requests

REQUESTS = {
    Signal.TRACES: trace_requests,
    Signal.LOGS: log_requests,
    Signal.METRICS: metric_requests,
}
any_request = st.sampled_from(list(Signal)).flatmap(
    lambda signal: st.tuples(st.just(signal), REQUESTS[signal])
)
relaxed = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
modest = settings(relaxed, max_examples=25)
many = settings(relaxed, max_examples=1500)


def body_tells_the_same(signal: Signal, request: Any) -> None:
    first = otlp.decode(signal, request.SerializeToString())
    check_body(first, otlp.decode(signal, first.body))


def encodings_tell_the_same(signal: Signal, request: Any) -> None:
    first = otlp.decode(signal, request.SerializeToString())
    for again in (
        otlp.decode(signal, otlp.encode(signal, first.tables)),
        otlp.decode_json(signal, otlp.encode_json(signal, first.tables)),
    ):
        assert contents(again.tables) == contents(first.tables)
        assert again.problems == ()


def json_and_protobuf_agree(signal: Signal, request: Any) -> None:
    binary = otlp.decode(signal, request.SerializeToString())
    text = otlp.decode_json(signal, json_of_request(request))
    assert identical(binary.tables, text.tables)
    assert binary.rejected == text.rejected


@modest
@given(any_request)
def test_a_body_decodes_to_the_same_rows_without_complaint(case: tuple[Signal, Any]) -> None:
    body_tells_the_same(*case)


@modest
@given(any_request)
def test_what_is_encoded_decodes_to_the_same_rows(case: tuple[Signal, Any]) -> None:
    encodings_tell_the_same(*case)


@modest
@given(any_request)
def test_json_and_protobuf_mean_the_same(case: tuple[Signal, Any]) -> None:
    json_and_protobuf_agree(*case)


@modest
@given(trace_requests, trace_requests)
def test_concatenated_bodies_are_one_body(left: Any, right: Any) -> None:
    parts = [otlp.decode(Signal.TRACES, one.SerializeToString()) for one in (left, right)]
    both = otlp.decode(Signal.TRACES, b"".join(part.body for part in parts))
    assert both.accepted == sum(part.accepted for part in parts)
    assert both.problems == ()


def raises_nothing_else(signal: Signal, body: bytes) -> None:
    for decoder in (otlp.decode, otlp.decode_json):
        try:
            telemetry = decoder(signal, body)
        except otlp.MalformedRequest:
            continue
        check_body(telemetry, otlp.decode(signal, telemetry.body))


mutations = st.lists(
    st.tuples(st.integers(0, 2**16), st.integers(0, 2), st.binary(max_size=4)), max_size=4
)


def mutated(body: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for place, how, new in changes:
        at = place % (len(body) + 1)
        body = body[:at] + new + body[at + (len(new) if how else 0) + (how == 2) :]
    return body


@modest
@given(st.sampled_from(list(Signal)), st.binary(max_size=200))
def test_random_bytes_raise_only_malformed_request(signal: Signal, body: bytes) -> None:
    raises_nothing_else(signal, body)


@modest
@given(any_request, mutations)
def test_damaged_requests_raise_only_malformed_request(
    case: tuple[Signal, Any], changes: list[tuple[int, int, bytes]]
) -> None:
    signal, request = case
    raises_nothing_else(signal, mutated(request.SerializeToString(), changes))
    raises_nothing_else(signal, mutated(json_of_request(request), changes))


@pytest.mark.full
@pytest.mark.timeout(1800)
@many
@given(any_request, mutations, st.binary(max_size=400))
def test_all_of_it_with_many_examples(
    case: tuple[Signal, Any], changes: list[tuple[int, int, bytes]], noise: bytes
) -> None:
    signal, request = case
    body_tells_the_same(signal, request)
    encodings_tell_the_same(signal, request)
    json_and_protobuf_agree(signal, request)
    raises_nothing_else(signal, noise)
    raises_nothing_else(signal, mutated(request.SerializeToString(), changes))
    raises_nothing_else(signal, mutated(json_of_request(request), changes))
