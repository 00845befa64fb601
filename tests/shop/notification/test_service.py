"""notification-service over HTTP and events, with a mail relay that is a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Header

from shop import events
from shop.chassis.errors import Invalid
from shop.chassis.ports import Event
from shop.notification.client import NotificationClient
from shop.notification.contract import EmailRequest
from shop.notification.service import build
from tests.shop.inventory.stage import Stage, collect, staged, traced, wait_until

RECEIVED = EmailRequest(order_id="order-1", user_id="user-1", template="order-received")


class Relay:
    """A mail relay that notes the key and the addressee of every message."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self.app = FastAPI()

        @self.app.post("/mail-relay/messages", status_code=202)
        def message(told: dict[str, Any], idempotency_key: Annotated[str, Header()]) -> None:
            self.messages.append((idempotency_key, told["to"]))


@pytest.fixture
def relay() -> Relay:
    return Relay()


@pytest.fixture
def stage(tmp_path: Path, relay: Relay) -> Iterator[Stage]:
    with staged(tmp_path) as made:
        made.serve(relay.app, "mail-relay")
        yield made


def _about(order_id: str, kind: str, event_id: str = "", **more: str) -> Event:
    data = {"order_id": order_id, "user_id": "user-7", "saga_id": f"saga-of-{order_id}", **more}
    return Event(kind, order_id, data, event_id)


def test_the_client_gets_through_http_what_the_contract_promises(
    stage: Stage, relay: Relay
) -> None:
    stage.start(build, "notification-service")
    notifications = NotificationClient(stage.caller("notification-service"))
    email = notifications.send(RECEIVED, "key-1")
    assert notifications.send(RECEIVED, "key-1") == email
    assert notifications.emails("order-1") == [email]
    assert notifications.emails("order-2") == []
    assert relay.messages == [("key-1", "user-1@shop.example")]
    with pytest.raises(Invalid, match="'spam'"):
        notifications.send(RECEIVED.model_copy(update={"template": "spam"}), "key-2")


def test_a_request_for_an_email_is_traced_from_the_event_to_the_relay(
    stage: Stage, relay: Relay
) -> None:
    with traced() as spans:
        chassis = stage.start(build, "notification-service")
        request = _about("order-1", events.EMAIL_REQUESTED, template="order-received")
        chassis.events.publish(events.EMAILS, request)
        wait_until(lambda: bool(spans.named("process emails")), "the event is handled")
    [process] = spans.named("process emails")
    [relayed] = [
        one for one in spans.named("POST /mail-relay/messages") if one.kind.name == "CLIENT"
    ]
    [sent] = spans.named("send emails")
    assert process.parent is not None
    assert relayed.parent is not None
    assert process.parent.span_id == sent.context.span_id
    assert relayed.parent.span_id == process.context.span_id
    assert dict(relayed.attributes or {})["server.address"] == "mail-relay"
    assert relay.messages == [("order-received-of-order-1", "user-7@shop.example")]


def test_orders_are_told_of_when_they_end_and_not_before(stage: Stage, relay: Relay) -> None:
    chassis = stage.start(build, "notification-service")
    for order_id, kind in (
        ("order-1", events.ORDER_CREATED),
        ("order-1", events.ORDER_CONFIRMED),
        ("order-2", events.ORDER_CREATED),
        ("order-2", events.ORDER_CANCELLED),
    ):
        chassis.events.publish(events.ORDERS, _about(order_id, kind))
    wait_until(lambda: len(relay.messages) == 2, "both are told")
    assert sorted(key for key, _ in relay.messages) == [
        "order-cancelled-of-order-2",
        "order-confirmed-of-order-1",
    ]


def test_a_poisoned_event_fails_at_five_deliveries_and_is_set_aside_while_others_go_on(
    stage: Stage, relay: Relay
) -> None:
    dead: list[Event] = []
    stage.break_it("notification-poison-message", share=0.5)
    with traced() as spans:
        chassis = stage.chassis("notification-service")
        parts = build(chassis)
        collect(chassis.events, f"{events.EMAILS}.dead", dead)
        chassis.events.start()
        # crc32 of "event-1" is below half, that of "event-2" is not.
        for n in (1, 2):
            chassis.events.publish(
                events.EMAILS,
                _about(f"order-{n}", events.EMAIL_REQUESTED, f"event-{n}", template="correction"),
            )
        wait_until(lambda: bool(dead), "the poisoned event is set aside", 20)
        chassis.events.stop()
        for end in parts.on_stop:
            end()
    assert [event.key for event in dead] == ["order-1"]
    assert [key for key, _ in relay.messages] == ["correction-of-order-2"]
    failed = [one for one in spans.named("process emails") if not one.status.is_ok]
    assert [dict(one.attributes or {})["shop.delivery.attempt"] for one in failed] == [
        1,
        2,
        3,
        4,
        5,
    ]
