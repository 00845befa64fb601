"""E-mails: each sent once, remembered in order, whatever the broker delivers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext

from shop import events
from shop.chassis.errors import Conflict, DependencyTimeout, DependencyUnavailable, Invalid
from shop.chassis.ports import Database, Delivery, Event
from shop.notification.consumers import TEMPLATE_OF, EmailConsumer
from shop.notification.contract import EmailRequest
from shop.notification.letters import TEMPLATES, Letter, letter
from shop.notification.logic import NotificationLogic
from shop.notification.poison import (
    FAULT,
    POISON_DELIVERIES,
    UnreadableEvent,
    refuse_poisoned,
    share_of,
)
from shop.notification.tables import SCHEMA
from tests.shop.inventory.databases import BOTH, opened
from tests.shop.inventory.stage import Stage, delivery, staged

RECEIVED = EmailRequest(order_id="order-1", user_id="user-1", template="order-received")


class Relay:
    """A relay that keeps what it delivered, once per key as relays do. `fails` answers are lost:
    it delivers, and the sender does not learn of it."""

    def __init__(self, fails: int = 0) -> None:
        self.asked: list[str] = []
        self.delivered: dict[str, Letter] = {}
        self._fails = fails

    def deliver(self, letter: Letter, idempotency_key: str) -> None:
        self.asked.append(idempotency_key)
        self.delivered.setdefault(idempotency_key, letter)
        if len(self.asked) <= self._fails:
            raise DependencyTimeout("mail-relay", "no answer")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as made:
        yield made


@pytest.fixture(params=BOTH)
def database(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Database]:
    with opened(request, stage, "notification-service", SCHEMA) as made:
        yield made


@pytest.fixture
def relay() -> Relay:
    return Relay()


@pytest.fixture
def notifications(database: Database, relay: Relay) -> NotificationLogic:
    ticks = iter(range(1, 1000))
    return NotificationLogic(database, relay, clock=lambda: next(ticks))


def _requested(order_id: str, template: str = "order-received", event_id: str = "") -> Event:
    data = {"order_id": order_id, "user_id": "user-1", "saga_id": "saga-1", "template": template}
    return Event(events.EMAIL_REQUESTED, order_id, data, event_id)


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_every_template_names_the_order_and_the_customer(template: str) -> None:
    written = letter(RECEIVED.model_copy(update={"template": template}))
    assert "order-1" in written.subject
    assert written.text.startswith("Hello user-1,")
    assert "$" not in written.subject + written.text
    assert written.to == "user-1@shop.example"


def test_a_template_that_there_is_not_is_refused(
    notifications: NotificationLogic, relay: Relay
) -> None:
    with pytest.raises(Invalid, match="'spam'"):
        notifications.send(RECEIVED.model_copy(update={"template": "spam"}), "key-1")
    assert relay.asked == []


def test_an_email_goes_to_the_relay_and_is_remembered(
    notifications: NotificationLogic, relay: Relay
) -> None:
    email = notifications.send(RECEIVED, "key-1")
    assert (email.order_id, email.template, email.status) == ("order-1", "order-received", "sent")
    assert notifications.emails("order-1") == [email]
    assert relay.delivered["key-1"] == letter(RECEIVED)


def test_the_same_key_sends_once(notifications: NotificationLogic, relay: Relay) -> None:
    first = notifications.send(RECEIVED, "key-1")
    assert notifications.send(RECEIVED, "key-1") == first
    assert relay.asked == ["key-1"]


def test_a_key_of_another_order_is_a_conflict(notifications: NotificationLogic) -> None:
    notifications.send(RECEIVED, "key-1")
    with pytest.raises(Conflict, match="order-1"):
        notifications.send(RECEIVED.model_copy(update={"order_id": "order-2"}), "key-1")


def test_emails_about_an_order_come_oldest_first(notifications: NotificationLogic) -> None:
    for template in ("order-received", "correction", "order-cancelled"):
        notifications.send(RECEIVED.model_copy(update={"template": template}), template)
    notifications.send(RECEIVED.model_copy(update={"order_id": "order-2"}), "other")
    sent = [email.template for email in notifications.emails("order-1")]
    assert sent == ["order-received", "correction", "order-cancelled"]
    assert notifications.emails("order-3") == []


def test_a_lost_answer_of_the_relay_is_made_good_under_the_same_key(database: Database) -> None:
    relay = Relay(fails=1)
    notifications = NotificationLogic(database, relay)
    with pytest.raises(DependencyTimeout):
        notifications.send(RECEIVED, "key-1")
    assert notifications.emails("order-1") == []
    notifications.send(RECEIVED, "key-1")
    assert relay.asked == ["key-1", "key-1"]
    assert list(relay.delivered) == ["key-1"]


def test_an_event_that_comes_twice_is_one_email(
    stage: Stage, notifications: NotificationLogic, relay: Relay
) -> None:
    consumer = EmailConsumer(notifications, stage.held.faults)
    for attempt in (1, 2):
        consumer.handle_request(delivery(_requested("order-1"), events.EMAILS, attempt))
    # Published a second time, under another id, by a saga that was not sure it had done so.
    consumer.handle_request(
        delivery(_requested("order-1", event_id="another"), events.EMAILS, attempt=1)
    )
    assert relay.asked == ["order-received-of-order-1"]


def test_what_becomes_of_an_order_is_told_once_each(
    stage: Stage, notifications: NotificationLogic
) -> None:
    consumer = EmailConsumer(notifications, stage.held.faults)
    data = {"order_id": "order-1", "user_id": "user-1", "saga_id": "saga-1"}
    for kind in [*TEMPLATE_OF, *TEMPLATE_OF]:
        consumer.handle_order(delivery(Event(kind, "order-1", data), events.ORDERS))
    sent = [email.template for email in notifications.emails("order-1")]
    assert sent == ["order-confirmed", "order-cancelled"]


def test_an_event_waits_for_a_relay_that_is_away(stage: Stage, database: Database) -> None:
    class Away(Relay):
        def deliver(self, letter: Letter, idempotency_key: str) -> None:
            raise DependencyUnavailable("mail-relay", "no instance")

    consumer = EmailConsumer(NotificationLogic(database, Away()), stage.held.faults)
    with pytest.raises(DependencyUnavailable):
        consumer.handle_request(delivery(_requested("order-1"), events.EMAILS))


def test_the_poisoned_share_is_the_same_at_every_delivery(stage: Stage) -> None:
    stage.break_it("notification-poison-message", share=0.2)

    def event_of(n: int) -> Delivery:
        return delivery(_requested("order-1", event_id=f"event-{n}"), events.EMAILS)

    def is_poisoned(n: int) -> bool:
        try:
            refuse_poisoned(event_of(n), stage.held.faults)
        except UnreadableEvent:
            return True
        return False

    first = [is_poisoned(n) for n in range(1000)]
    assert 150 < sum(first) < 250
    assert [is_poisoned(n) for n in range(1000)] == first
    assert first == [share_of(f"event-{n}") < 0.2 for n in range(1000)]


def test_an_event_is_poison_in_the_ledger_from_its_third_failure(stage: Stage) -> None:
    stage.break_it(FAULT, share=1.0)
    ledger = []

    for attempt in range(1, 5):
        told = delivery(_requested("order-1"), events.EMAILS, attempt)
        span = NonRecordingSpan(SpanContext(attempt, 1, is_remote=False))
        with trace.use_span(span), pytest.raises(UnreadableEvent):
            refuse_poisoned(told, stage.held.faults)
        ledger.append(len(stage.held.faults.take_noted()))

    assert ledger == [int(attempt >= POISON_DELIVERIES) for attempt in range(1, 5)]


def test_a_poisoned_event_sends_nothing_and_a_cured_consumer_sends_it(
    stage: Stage, notifications: NotificationLogic, relay: Relay
) -> None:
    consumer = EmailConsumer(notifications, stage.held.faults)
    stage.break_it("notification-poison-message", share=1.0)
    for attempt in range(1, 5):
        with pytest.raises(UnreadableEvent, match="EmailRequested lacks loyalty_points"):
            consumer.handle_request(delivery(_requested("order-1"), events.EMAILS, attempt))
    assert relay.asked == []
    stage.mend()
    consumer.handle_request(delivery(_requested("order-1"), events.EMAILS, 5))
    assert relay.asked == ["order-received-of-order-1"]
