from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.formats.comparison import check_body, identical
from tests.formats.requests import log_requests, metric_requests, trace_requests

from longpole.formats import bounded_decoding, otlp
from longpole.formats.malformed import MalformedRequest
from longpole.formats.otlp_json import json_of_request
from longpole.model.signals import Signal
from longpole.model.telemetry import Telemetry

REQUESTS = {
    Signal.TRACES: trace_requests,
    Signal.LOGS: log_requests,
    Signal.METRICS: metric_requests,
}
any_request = st.sampled_from(list(Signal)).flatmap(
    lambda signal: st.tuples(st.just(signal), REQUESTS[signal])
)
mutations = st.lists(
    st.tuples(st.integers(0, 2**16), st.integers(0, 2), st.binary(max_size=4)), max_size=3
)
sizes = st.sampled_from([1, 30, 100, 300])
relaxed = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def mutated(body: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for place, how, new in changes:
        at = place % (len(body) + 1)
        body = body[:at] + new + body[at + (len(new) if how else 0) + (how == 2) :]
    return body


def outcome(decode: Any, *arguments: Any) -> Telemetry | None:
    try:
        return decode(*arguments)  # type: ignore[no-any-return]
    except MalformedRequest:
        return None


def same(whole: Telemetry | None, cut: Telemetry | None) -> None:
    if whole is None or cut is None:
        assert whole is cut
        return
    assert identical(whole.tables, cut.tables)
    assert cut.rejected == whole.rejected
    assert cut.has_time == whole.has_time
    assert {problem.code for problem in cut.problems} == {p.code for p in whole.problems}
    if not whole.problems:
        assert cut.body == whole.body
    check_body(cut, otlp.decode(cut.signal, cut.body))


def cutting_changes_nothing(signal: Signal, body: bytes, size: int) -> None:
    same(outcome(otlp.decode, signal, body), outcome(bounded_decoding.decode, signal, body, size))


def cutting_json_changes_nothing(signal: Signal, body: bytes, size: int) -> None:
    cut = outcome(bounded_decoding.decode_json, signal, body, size)
    same(outcome(otlp.decode_json, signal, body), cut)


@settings(relaxed, max_examples=100)
@given(any_request, mutations, sizes)
def test_what_is_decoded_in_slices_is_what_is_decoded_at_once(
    case: tuple[Signal, Any], changes: list[tuple[int, int, bytes]], size: int
) -> None:
    signal, request = case
    body = request.SerializeToString()
    cutting_changes_nothing(signal, body, size)
    cutting_changes_nothing(signal, mutated(body, changes), size)


@settings(relaxed, max_examples=40)
@given(any_request, sizes)
def test_json_that_is_decoded_in_slices_means_the_same(case: tuple[Signal, Any], size: int) -> None:
    signal, request = case
    cutting_json_changes_nothing(signal, json_of_request(request), size)


@pytest.mark.full
@pytest.mark.timeout(1800)
@settings(relaxed, max_examples=3000)
@given(any_request, mutations, sizes)
def test_slices_with_many_examples(
    case: tuple[Signal, Any], changes: list[tuple[int, int, bytes]], size: int
) -> None:
    signal, request = case
    cutting_changes_nothing(signal, mutated(request.SerializeToString(), changes), size)
