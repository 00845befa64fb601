"""Shipments: booked once per key with the carrier, cancelled once, refused when the fault says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from shop.chassis.errors import Conflict, DependencyError, DependencyTimeout, Invalid, NotFound
from shop.chassis.ports import Database
from shop.inventory.contract import Line
from shop.shipping.carrier import Parcel
from shop.shipping.logic import ShippingLogic
from shop.shipping.tables import SCHEMA
from shop.user.contract import Address
from tests.shop.inventory.databases import BOTH, opened
from tests.shop.inventory.stage import Stage, staged

HOME = Address(street="Long Street 1", city="Berlin", country="DE")
LINES = [Line(sku="sku-1", quantity=2)]


class Books:
    """A carrier that notes what was booked, once per key as carriers do."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.parcels: dict[str, Parcel] = {}

    def book(
        self, order_id: str, address: Address, lines: Sequence[Line], idempotency_key: str
    ) -> Parcel:
        self.asked.append(order_id)
        parcel = Parcel(carrier="Longhaul", tracking_code=f"TRACK-{order_id}")
        return self.parcels.setdefault(idempotency_key, parcel)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as made:
        yield made


@pytest.fixture(params=BOTH)
def database(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Database]:
    with opened(request, stage, "shipping-service", SCHEMA) as made:
        yield made


@pytest.fixture
def carrier() -> Books:
    return Books()


@pytest.fixture
def shipping(stage: Stage, database: Database, carrier: Books) -> ShippingLogic:
    return ShippingLogic(database, stage.held.faults, carrier)


def test_a_shipment_is_booked_with_the_carrier(shipping: ShippingLogic, carrier: Books) -> None:
    shipment = shipping.schedule("order-1", HOME, LINES, "key-1")
    assert (shipment.status, shipment.carrier) == ("scheduled", "Longhaul")
    assert shipment.tracking_code == "TRACK-order-1"
    assert carrier.asked == ["order-1"]


def test_the_same_key_gives_the_same_shipment_without_asking_the_carrier_again(
    shipping: ShippingLogic, carrier: Books
) -> None:
    first = shipping.schedule("order-1", HOME, LINES, "key-1")
    assert shipping.schedule("order-1", HOME, LINES, "key-1") == first
    assert carrier.asked == ["order-1"]


def test_two_calls_with_one_key_at_the_same_moment_give_one_shipment(
    stage: Stage, database: Database
) -> None:
    both_are_booking = Barrier(2, timeout=10)

    class Meeting(Books):
        def book(
            self, order_id: str, address: Address, lines: Sequence[Line], idempotency_key: str
        ) -> Parcel:
            both_are_booking.wait()
            return super().book(order_id, address, lines, idempotency_key)

    carrier = Meeting()
    shipping = ShippingLogic(database, stage.held.faults, carrier)
    with ThreadPoolExecutor(2) as callers:
        made = list(
            callers.map(lambda _: shipping.schedule("order-1", HOME, LINES, "key-1"), range(2))
        )
    assert made[0] == made[1]
    assert len(carrier.parcels) == 1


def test_a_key_of_another_order_is_a_conflict(shipping: ShippingLogic) -> None:
    shipping.schedule("order-1", HOME, LINES, "key-1")
    with pytest.raises(Conflict, match="order-1"):
        shipping.schedule("order-2", HOME, LINES, "key-1")


def test_a_country_nobody_serves_makes_no_sense(shipping: ShippingLogic, carrier: Books) -> None:
    with pytest.raises(Invalid, match="'AQ'"):
        shipping.schedule("order-1", HOME.model_copy(update={"country": "AQ"}), LINES, "key-1")
    assert carrier.asked == []


def test_a_cancelled_shipment_stays_cancelled(shipping: ShippingLogic) -> None:
    shipment = shipping.schedule("order-1", HOME, LINES, "key-1")
    cancelled = shipping.cancel(shipment.shipment_id)
    assert cancelled == shipment.model_copy(update={"status": "cancelled"})
    assert shipping.cancel(shipment.shipment_id) == cancelled


def test_an_unknown_shipment_is_not_found(shipping: ShippingLogic) -> None:
    with pytest.raises(NotFound, match="shipment-none"):
        shipping.cancel("shipment-none")


def test_a_carrier_that_times_out_leaves_no_shipment_and_the_key_free(
    stage: Stage, database: Database, shipping: ShippingLogic
) -> None:
    class Late(Books):
        def book(
            self, order_id: str, address: Address, lines: Sequence[Line], idempotency_key: str
        ) -> Parcel:
            raise DependencyTimeout("carrier", "no answer")

    with pytest.raises(DependencyTimeout):
        ShippingLogic(database, stage.held.faults, Late()).schedule("order-1", HOME, LINES, "key-1")
    with database.transaction() as transaction:
        assert transaction.execute("SELECT shipment_id FROM shipments") == []
    assert shipping.schedule("order-1", HOME, LINES, "key-1").status == "scheduled"


@pytest.mark.parametrize("fault", ["saga-ship-fails", "saga-missing-compensation"])
def test_a_refusal_names_the_carrier_and_is_not_worth_repeating(
    stage: Stage, shipping: ShippingLogic, carrier: Books, fault: str
) -> None:
    stage.break_it(fault)
    with pytest.raises(DependencyError, match="the contract has ended") as raised:
        shipping.schedule("order-1", HOME, LINES, "key-1")
    assert raised.value.dependency == "carrier"
    assert not raised.value.is_retryable
    assert carrier.asked == []
    stage.mend()
    assert shipping.schedule("order-1", HOME, LINES, "key-1").status == "scheduled"
