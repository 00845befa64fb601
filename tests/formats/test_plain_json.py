"""The short way from OTLP/JSON to protobuf gives the bytes of the long one, or leaves it to it."""

from __future__ import annotations

import random
import re
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longpole.formats import bounded_decoding, otlp
from longpole.formats.malformed import MalformedRequest
from longpole.formats.otlp_json import json_of_request, request_of_tree
from longpole.formats.plain_json import encoded
from longpole.formats.tally import Tally
from longpole.model.signals import Signal
from tests.formats.comparison import identical
from tests.formats.test_otlp_properties import any_request

relaxed = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
ODD: list[Any] = [
    None, "", 0, -1, 2**32, 2**64 - 1, 1.5, 1e300, True, "7", "-7", "0x7", "1_0", " 7", "٧", "7.0",
    [], {}, [None], [1], "zz", "NaN", {"intValue": 7}, {"arrayValue": {"values": [{}, None]}},
    {"stringValue": "a", "intValue": "1"}, {"string_value": "a"}, {"bytesValue": "AAE="},
    {"doubleValue": "Infinity"}, {"intValue": "99999999999999999999"}, {"key": "k"},
    "5b8efff798038103d269b633813fc60c", "5B8EFFF798038103", "SPAN_KIND_SERVER",
]  # fmt: skip


VALUES: list[Any] = [
    {"stringValue": "GET"}, {"stringValue": ""}, {"intValue": 200}, {"intValue": "-7"},
    {"intValue": 2**63 - 1}, {"doubleValue": 0.25}, {"doubleValue": 3}, {"boolValue": True},
    {"boolValue": False}, {"arrayValue": {"values": [{"stringValue": "ü"}]}}, {},
    {"kvlistValue": {"values": [{"key": "k", "value": {"intValue": 1}}]}},
    {"stringValue": "long " * 300},
]  # fmt: skip
ATTRIBUTES = [{"key": f"key.{n}", "value": value} for n, value in enumerate(VALUES)]


def agrees(tree: Any, signal: Signal = Signal.TRACES) -> bool:
    """Whether the short way is taken; then no fault is overlooked, and the bytes are the same."""
    content = encoded(signal, tree)
    if content is None:
        return False
    tally = Tally()
    request = request_of_tree(otlp.REQUESTS[signal], tree, tally)
    assert content == request.SerializeToString()
    assert not tally.problems()
    return True


def plain() -> Any:
    """As an SDK of JavaScript sends it, with each type of value."""
    span = {
        "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "eee19b7ec3c1b174",
        "parentSpanId": "eee19b7ec3c1b173", "name": "GET /größe", "kind": 3, "traceState": "a=1",
        "startTimeUnixNano": "1544712660300000001", "endTimeUnixNano": 1544712660300000002,
        "attributes": ATTRIBUTES * 2, "droppedAttributesCount": 0, "flags": 257,
        "events": [{"name": "e", "timeUnixNano": "7", "attributes": ATTRIBUTES[:2],
                    "droppedAttributesCount": 3}],
        "droppedEventsCount": 0, "status": {"code": 2, "message": "no"},
        "links": [{"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "eee19b7ec3c1b174",
                   "attributes": [], "flags": 1}], "droppedLinksCount": 300,
    }  # fmt: skip
    root = {**span, "parentSpanId": None, "status": {}, "kind": 0, "endTimeUnixNano": "0"}
    scope = {"scope": {"name": "s", "version": "1"}, "spans": [span, root], "schemaUrl": "u"}
    resource = {"attributes": ATTRIBUTES, "droppedAttributesCount": 0}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}, {"resource": {}}]}


def plain_logs() -> Any:
    """The same of log records, with bodies of each type."""
    record = {
        "timeUnixNano": "1544712660300000001", "observedTimeUnixNano": 7, "severityNumber": 17,
        "severityText": "ERROR", "traceId": "5B8EFFF798038103D269B633813FC60C", "flags": 1,
        "spanId": "eee19b7ec3c1b174", "attributes": ATTRIBUTES, "droppedAttributesCount": 300,
        "eventName": "shop.order",
    }  # fmt: skip
    records = [{**record, "body": value} for value in [*VALUES, None]]
    scope = {"scope": {"name": "s"}, "logRecords": [*records, {"traceId": "", "spanId": ""}]}
    return {"resourceLogs": [{"resource": {"attributes": ATTRIBUTES}, "scopeLogs": [scope]}]}


def with_change(tree: Any, place: int, new: Any) -> Any:
    """The tree with one of its values, keys' or items', replaced."""
    tree = orjson.loads(orjson.dumps(tree))
    places: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node))
        places += [(node, key) for key in keys]
        waiting += [node[key] for key in keys if isinstance(node[key], dict | list)]
    node, key = places[place % len(places)]
    node[key] = new
    return tree


def test_what_sdks_send_goes_the_short_way() -> None:
    assert agrees(plain())
    assert agrees({"resourceSpans": []})
    assert agrees({})
    assert agrees(plain_logs(), Signal.LOGS)


@pytest.mark.parametrize(
    "field",
    [
        {"trace_state": "a"},  # the protobuf spelling is forgiven
        {"name": 7},
        {"kind": "SPAN_KIND_CLIENT"},
        {"traceId": "5B8E FFF798038103D269B633813FC60"},
        {"spanId": ""},
        {"startTimeUnixNano": "1.5e18"},
        {"someday": 1},
        {"links": [{}]},
    ],
)
def test_what_is_unusual_goes_the_long_way(field: dict[str, Any]) -> None:
    tree = plain()
    tree["resourceSpans"][0]["scopeSpans"][0]["spans"][0].update(field)
    assert not agrees(tree)


@settings(relaxed, max_examples=8)
@given(any_request, st.integers(0, 2**16), st.sampled_from(ODD))
def test_odd_requests_mean_the_same(case: tuple[Signal, Any], place: int, new: Any) -> None:
    signal, request = case
    agrees(orjson.loads(json_of_request(request)), signal)
    both_ways(with_change(plain(), place, new))
    both_ways(with_change(plain_logs(), place, new), Signal.LOGS)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_every_value_replaced_by_each_odd_one_means_the_same() -> None:
    chance = random.Random(3)
    for place in range(400):
        for new in ODD:
            both_ways(with_change(with_change(plain(), place, new), chance.randrange(400), 1))
            both_ways(with_change(plain(), place, new))
            both_ways(with_change(plain_logs(), place, new), Signal.LOGS)


def both_ways(tree: Any, signal: Signal = Signal.TRACES) -> None:
    """What a server reads of it is what the reference does, to the last problem."""
    body = orjson.dumps(tree)
    try:
        expected = otlp.decode_json(signal, body)
    except MalformedRequest as fault:
        with pytest.raises(MalformedRequest, match=re.escape(str(fault))):
            bounded_decoding.decode_json(signal, body)
        assert encoded(signal, tree) is None
        return
    read = bounded_decoding.decode_json(signal, body)
    assert identical(read.tables, expected.tables)
    assert read.body == expected.body
    assert (read.rejected, read.problems) == (expected.rejected, expected.problems)
    assert read.has_time == expected.has_time
