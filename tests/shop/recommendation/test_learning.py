"""Learning: every confirmed order counts once, in batches, however it is delivered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from shop.chassis.ports import Database, Delivery, Event
from shop.events import ORDER_CANCELLED, ORDER_CONFIRMED, ORDERS
from shop.recommendation.client import RecommendationClient
from shop.recommendation.consumers import GROUP, Learner
from shop.recommendation.service import build
from shop.recommendation.tables import SCHEMA
from tests.shop.gateway.recorded import attributes, id_of, recorded
from tests.shop.inventory.stage import Stage, delivery, staged, wait_until


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as made:
        yield made


@pytest.fixture
def database(stage: Stage) -> Iterator[Database]:
    opened = stage.chassis("recommendation-service").database(SCHEMA)
    yield opened
    opened.close()


def _confirmed(order: int, *lines: tuple[str, int], user: str = "user-1") -> Event:
    data = {
        "order_id": f"order-{order}",
        "user_id": user,
        "saga_id": f"saga-{order}",
        "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines],
    }
    return Event(type=ORDER_CONFIRMED, key=f"order-{order}", data=data)


def _delivered(*events: Event) -> Sequence[Delivery]:
    return [delivery(event, ORDERS) for event in events]


def _counts(database: Database) -> dict[str, int]:
    with database.transaction() as transaction:
        rows = transaction.execute("SELECT sku, bought FROM popularity")
    return {row["sku"]: row["bought"] for row in rows}


def _tastes(database: Database) -> dict[tuple[str, str], int]:
    with database.transaction() as transaction:
        rows = transaction.execute("SELECT user_id, sku, bought FROM tastes")
    return {(row["user_id"], row["sku"]): row["bought"] for row in rows}


def test_a_batch_is_counted_by_product_and_by_person(database: Database) -> None:
    Learner(database).learn(
        _delivered(
            _confirmed(1, ("sku-1", 2), ("sku-2", 1)),
            _confirmed(2, ("sku-1", 3), user="user-2"),
        )
    )
    assert _counts(database) == {"sku-1": 5, "sku-2": 1}
    assert _tastes(database) == {
        ("user-1", "sku-1"): 2,
        ("user-1", "sku-2"): 1,
        ("user-2", "sku-1"): 3,
    }


def test_an_order_that_comes_again_is_not_counted_again(database: Database) -> None:
    learner = Learner(database)
    first, second = _confirmed(1, ("sku-1", 2)), _confirmed(2, ("sku-1", 1))
    learner.learn(_delivered(first, first))
    learner.learn(_delivered(second, first))
    learner.learn(_delivered(first))
    assert _counts(database) == {"sku-1": 3}


def test_other_events_and_empty_orders_teach_nothing(database: Database) -> None:
    cancelled = Event(ORDER_CANCELLED, "order-1", _confirmed(1, ("sku-1", 1)).data)
    Learner(database).learn(_delivered(cancelled, _confirmed(2)))
    assert _counts(database) == {}


def test_a_batch_that_fails_midway_is_learned_as_a_whole_later(database: Database) -> None:
    learner = Learner(database)
    broken: dict[str, Any] = {"order_id": "order-2", "user_id": "user-1", "lines": [{}]}
    good = _confirmed(1, ("sku-1", 1))
    with pytest.raises(KeyError):
        learner.learn(_delivered(good, Event(ORDER_CONFIRMED, "order-2", broken)))
    assert _counts(database) == {}
    learner.learn(_delivered(good))
    assert _counts(database) == {"sku-1": 1}


def test_what_is_bought_is_recommended_and_one_span_links_to_many_orders(stage: Stage) -> None:
    with recorded() as spans:
        chassis = stage.chassis("recommendation-service", broker="local")
        parts = build(chassis)
        stage.serve(parts.app, "recommendation-service")
        client = RecommendationClient(stage.caller("recommendation-service"))
        for order in range(3):
            chassis.events.publish(ORDERS, _confirmed(order, ("sku-40", 5)))
        chassis.events.start()
        try:
            wait_until(
                lambda: client.for_user("user-9", 1).items[0].sku == "sku-40", "sku-40 is best"
            )
            (processed,) = spans.wait(f"process {ORDERS}")
        finally:
            chassis.events.stop()
            for action in parts.on_stop:
                action()
    published = {id_of(span) for span in spans.named(f"send {ORDERS}")}
    assert {(link.context.trace_id, link.context.span_id) for link in processed.links} == published
    assert len(published) == 3
    assert attributes(processed)["messaging.batch.message_count"] == 3
    assert attributes(processed)["messaging.consumer.group.name"] == GROUP
