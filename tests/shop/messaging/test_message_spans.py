"""The spans and metrics of messages, alike for every broker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry import baggage, context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from shop.chassis.ports import Delivery, Event
from tests.shop.calls.seen import attributes, event_names
from tests.shop.messaging.brokers import wait_until
from tests.shop.messaging.members import House, Notes, number

# The embedded broker carries headers as the one in the process does: one of them is enough daily.
pytestmark = pytest.mark.parametrize(
    "house", ["local", pytest.param("embedded", marks=pytest.mark.full), "nats"], indirect=True
)

SYSTEMS = {"local": "shop_broker", "embedded": "shop_broker", "nats": "nats"}


def spans_of(house: House, name: str, count: int) -> list[ReadableSpan]:
    """The spans of this name, once there are that many."""
    wait_until(lambda: len(house.seen.spans(name)) >= count, f"{count} spans {name}")
    return house.seen.spans(name)


def test_process_is_a_child_of_send_and_both_say_all_about_the_message(
    house: House, topic: str
) -> None:
    member, notes = house.member(), Notes()
    member.subscribe(topic, "group", notes.handle)
    member.start()
    with house.seen.tracer.start_as_current_span("request") as request:
        member.publish(topic, Event("Numbered", "k", {"n": 1}, "event-1"))
    notes.wait_for(1)
    (send,) = spans_of(house, f"send {topic}", 1)
    (process,) = spans_of(house, f"process {topic}", 1)
    assert send.context is not None
    assert process.context is not None
    assert process.parent is not None
    assert send.parent is not None
    assert send.parent.span_id == request.get_span_context().span_id
    assert (process.context.trace_id, process.parent.span_id) == (
        send.context.trace_id,
        send.context.span_id,
    )
    about_both = {
        "messaging.system": SYSTEMS[house.name],
        "messaging.destination.name": topic,
        "messaging.message.id": "event-1",
        "shop.event.type": "Numbered",
    }
    assert send.kind is SpanKind.PRODUCER
    assert attributes(send) == about_both | {
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
    }
    assert process.kind is SpanKind.CONSUMER
    assert attributes(process) == about_both | {
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": "group",
        "shop.delivery.attempt": 1,
    }


def test_baggage_travels_with_the_event_into_the_handler_and_no_further(
    house: House, topic: str
) -> None:
    member, found = house.member(), list[Mapping[str, Any]]()
    member.subscribe(topic, "group", lambda _: found.append(baggage.get_all()))
    member.start()
    token = context.attach(baggage.set_baggage("saga.id", "saga-7"))
    try:
        member.publish(topic, number(1, "k"))
    finally:
        context.detach(token)
    wait_until(lambda: len(found) == 1, "the first is handled")
    member.publish(topic, number(2, "k"))
    wait_until(lambda: len(found) == 2, "the second is handled")
    assert found == [{"saga.id": "saga-7"}, {}]
    (span, other) = spans_of(house, f"process {topic}", 2)
    assert attributes(span)["saga.id"] == "saga-7"
    assert "saga.id" not in attributes(other)


def test_what_a_handler_publishes_continues_the_trace(house: House, topic: str) -> None:
    member, notes = house.member(), Notes()

    def pass_on(delivery: Delivery) -> None:
        member.publish(f"{topic[:50]}-next", delivery.event)

    member.subscribe(topic, "group", pass_on)
    member.subscribe(f"{topic[:50]}-next", "group", notes.handle)
    member.start()
    member.publish(topic, number(1))
    notes.wait_for(1)
    spans_of(house, f"process {topic}", 1)
    wait_until(lambda: len(house.seen.spans()) == 4, "two sends, two processes")
    assert len({span.context.trace_id for span in house.seen.spans() if span.context}) == 1


def test_each_failed_attempt_is_a_span_with_its_error_and_the_last_says_where_it_went(
    house: House, topic: str
) -> None:
    member = house.member()
    member.subscribe(topic, "group", Notes(fails=lambda _: True).handle)
    member.start()
    member.publish(topic, number(1))
    spans = spans_of(house, f"process {topic}", 5)
    (send,) = house.seen.spans(f"send {topic}")
    assert [attributes(span)["shop.delivery.attempt"] for span in spans] == [1, 2, 3, 4, 5]
    for span in spans:
        assert span.parent is not None
        assert send.context is not None
        assert span.parent.span_id == send.context.span_id
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description == "cannot handle {'n': 1}"
        assert attributes(span)["error.type"] == "RuntimeError"
    assert [event_names(span) for span in spans] == [
        *[["exception"]] * 4,
        ["message.dead_lettered", "exception"],
    ]


def test_a_batch_is_a_trace_of_its_own_linked_to_all_that_sent(house: House, topic: str) -> None:
    member, notes = house.member(), Notes()
    for n in range(3):
        # A partition of NATS hands out one at a time, and these keys have three of them.
        member.publish(topic, number(n, f"key-{n}"))
    member.subscribe_batches(topic, "group", notes.handle_batch)
    member.start()
    notes.wait_for(3)
    wait_until(lambda: len(notes.batches) == len(house.seen.spans(f"process {topic}")), "spans")
    batches = house.seen.spans(f"process {topic}")
    sends = [span.context.span_id for span in house.seen.spans(f"send {topic}") if span.context]
    linked = [link.context.span_id for span in batches for link in span.links]
    assert sorted(linked) == sorted(sends)
    for span, batch in zip(batches, notes.batches, strict=True):
        assert span.parent is None
        assert len(span.links) == len(batch)
        assert attributes(span)["messaging.batch.message_count"] == len(batch)
        assert "messaging.message.id" not in attributes(span)
    assert max(len(batch) for batch in notes.batches) > 1


def test_messages_sent_and_consumed_are_counted(house: House, topic: str) -> None:
    member = house.member()
    notes = Notes(fails=lambda one: one.attempt == 1)
    member.subscribe(topic, "group", notes.handle)
    member.start()
    for n in range(3):
        member.publish(topic, number(n, "k"))
    notes.wait_for(3)
    spans_of(house, f"process {topic}", 6)
    (sent,) = house.seen.points("messaging.client.sent.messages").values()
    assert sent == 3
    consumed = house.seen.points("messaging.client.consumed.messages")
    by_error = {dict(labels).get("error.type", ""): count for labels, count in consumed.items()}
    assert by_error == {"RuntimeError": 3, "": 3}


def test_the_time_of_the_broker_and_that_of_the_consumer_are_told_apart(
    house: House, topic: str
) -> None:
    member, notes = house.member(), Notes()
    member.subscribe(topic, "group", notes.handle)
    member.start()
    member.publish(topic, number(1))
    spans_of(house, f"process {topic}", 1)
    about = {"messaging.system": SYSTEMS[house.name], "messaging.destination.name": topic}
    ((labels, sent),) = house.seen.durations("messaging.client.operation.duration")
    assert labels == about | {
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
    }
    ((labels, processed),) = house.seen.durations("messaging.process.duration")
    assert labels["messaging.operation.name"] == "process"
    assert (sent.count, processed.count) == (1, 1)
    assert sent.explicit_bounds[0] == processed.explicit_bounds[0] == 0.005


def test_waiting_for_messages_leaves_no_spans(house: House, topic: str) -> None:
    member, notes = house.member(), Notes()
    member.subscribe(topic, "group", notes.handle)
    member.start()
    member.publish(topic, number(1))
    notes.wait_for(1)
    member.stop()
    assert sorted(span.name for span in house.seen.spans()) == [
        f"process {topic}",
        f"send {topic}",
    ]
