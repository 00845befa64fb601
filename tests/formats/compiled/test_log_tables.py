"""Log requests by the loops: what the reference decoder says of them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from longpole.formats import otlp
from longpole.formats.any_value import set_python
from longpole.model.signals import Signal
from tests.formats.compiled.agreement import (
    agrees,
    decoded,
    field,
    relaxed,
    request_of,
    same,
)
from tests.formats.requests import log_requests
from tests.formats.test_otlp_properties import mutated, mutations

BODIES = ["order 7 was accepted", "", "größer", 7, -(2**63), 1.5, float("nan"), True, b"\x00\xff",
          [1, "a", None], {"message": "m", "n": {"deep": [True]}}, None]  # fmt: skip


def plain(seed: int, bodies: list[Any]) -> ExportLogsServiceRequest:
    """As SDKs send it."""
    chance = random.Random(seed)
    request = ExportLogsServiceRequest()
    for group_number in range(2):
        group = request.resource_logs.add(schema_url="https://opentelemetry.io/schemas/1.30.0")
        group.resource.attributes.add(key="service.name").value.string_value = f"s{group_number}"
        scope = group.scope_logs.add()
        scope.scope.name = "shop.logging"
        for number, body in enumerate(bodies):
            record = scope.log_records.add(
                time_unix_nano=chance.randrange(2**64), severity_number=number % 24,
                observed_time_unix_nano=chance.randrange(2**64),
                severity_text="WARN" * (number % 2),
                trace_id=chance.randbytes(16) if number % 3 else b"", flags=number % 2,
                span_id=chance.randbytes(8) if number % 3 else b"",
                event_name="shop.order" * (number % 2), dropped_attributes_count=number,
            )  # fmt: skip
            if body != "absent":
                set_python(record.body, body)
                record.body.SetInParent()
            for key, value in (("code.line", number), ("ok", True), ("k", "ü"), ("l", [1])):
                set_python(record.attributes.add(key=key).value, value)
    return request


def logs_agree(body: bytes) -> bool:
    return agrees(body, Signal.LOGS)


def read(body: bytes) -> None:
    same(decoded(body, Signal.LOGS), otlp.decode(Signal.LOGS, body))


@pytest.mark.parametrize("bodies", [["all", "texts"], BODIES, [*BODIES, "absent"], ["absent"]])
def test_bodies_of_every_kind_are_read_by_the_loops(bodies: list[Any]) -> None:
    assert logs_agree(plain(3, bodies).SerializeToString())


@settings(relaxed, max_examples=15)
@given(log_requests, mutations)
def test_odd_and_damaged_requests_mean_the_same(
    request: Any, changes: list[tuple[int, int, bytes]]
) -> None:
    logs_agree(request.SerializeToString())
    logs_agree(mutated(request.SerializeToString(), changes))


@pytest.mark.full
@pytest.mark.timeout(1800)
@settings(relaxed, max_examples=1500)
@given(log_requests, st.integers(0, 50), mutations, st.binary(max_size=400))
def test_all_of_it_with_many_examples(
    request: Any, seed: int, changes: list[tuple[int, int, bytes]], noise: bytes
) -> None:
    logs_agree(noise)
    logs_agree(request.SerializeToString())
    logs_agree(mutated(request.SerializeToString(), changes))
    body = plain(seed, BODIES[seed % 5 :]).SerializeToString()
    logs_agree(mutated(body, [(place * 37 + seed, how, new) for place, how, new in changes]))


def test_every_cut_and_every_changed_byte_of_a_request_means_the_same() -> None:
    body = plain(0, ["text", {"a": [1]}]).SerializeToString()
    chance = random.Random(7)
    for place in range(0, len(body), 9):
        logs_agree(body[:place])
        logs_agree(body[:place] + bytes([chance.randrange(256)]) + body[place + 1 :])


@pytest.mark.parametrize(
    "record",
    [
        LogRecord(trace_id=b"short", body=AnyValue(string_value="kept")),
        LogRecord(body=AnyValue(string_value_strindex=4)),
        LogRecord(span_id=b"s" * 9),
    ],
    ids=["trace id", "reference into a table", "span id"],
)
def test_what_has_to_be_repaired_is_the_references(record: LogRecord) -> None:
    body = request_of(record.SerializeToString())
    assert not logs_agree(body)
    read(body)


@pytest.mark.parametrize(
    "content", [field(1, b"a") + b"\x18\x05", b"\x18\x05" + field(1, b"a"), field(1, b"\xff")]
)
def test_a_body_of_two_values_or_of_broken_text_means_the_same(content: bytes) -> None:
    read(request_of(field(5, content)))
    read(request_of(field(5, field(1, b"first")) + field(5, content)))
