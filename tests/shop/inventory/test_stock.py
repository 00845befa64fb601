"""Stock: all lines or none, once per key, and never more than there is."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shop.chassis.errors import Conflict, DependencyError, Invalid, NotFound
from shop.chassis.ports import Database
from shop.inventory.contract import Line, Reservation
from shop.inventory.logic import InventoryLogic
from shop.inventory.tables import FULL_STOCK, PRODUCTS, SCHEMA
from tests.shop.inventory.databases import BOTH, opened
from tests.shop.inventory.stage import Stage, staged


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as made:
        yield made


@pytest.fixture(params=BOTH)
def database(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Database]:
    with opened(request, stage, "inventory-service", SCHEMA) as made:
        yield made


@pytest.fixture
def stock(stage: Stage, database: Database) -> InventoryLogic:
    return InventoryLogic(database, stage.held.faults)


def _have(database: Database, sku: str, pieces: int) -> None:
    with database.transaction() as transaction:
        transaction.execute(
            "UPDATE products SET in_stock = :pieces WHERE sku = :sku", sku=sku, pieces=pieces
        )


def test_the_catalogue_has_forty_products_with_different_names(stock: InventoryLogic) -> None:
    products = stock.products(100)
    assert [product.sku for product in products] == sorted(sku for sku, _, _ in PRODUCTS)
    assert len({product.name for product in products}) == 40
    assert {product.in_stock for product in products} == {FULL_STOCK}
    assert len(stock.products(7)) == 7


def test_a_start_leaves_the_stock_of_a_known_product_alone(
    stock: InventoryLogic, database: Database
) -> None:
    stock.reserve("order-1", [Line(sku="sku-1", quantity=3)], "key-1")
    with database.transaction() as transaction:
        for statement in SCHEMA:
            transaction.execute(statement)
    assert stock.product("sku-1").in_stock == FULL_STOCK - 3


def test_an_unknown_product_is_not_found(stock: InventoryLogic) -> None:
    with pytest.raises(NotFound, match="sku-99"):
        stock.product("sku-99")


def test_a_reservation_takes_from_the_stock_and_adds_up_lines_of_one_product(
    stock: InventoryLogic,
) -> None:
    lines = [
        Line(sku="sku-2", quantity=2),
        Line(sku="sku-1", quantity=1),
        Line(sku="sku-2", quantity=3),
    ]
    reservation = stock.reserve("order-1", lines, "key-1")
    assert reservation.status == "reserved"
    assert reservation.lines == [Line(sku="sku-1", quantity=1), Line(sku="sku-2", quantity=5)]
    assert stock.product("sku-2").in_stock == FULL_STOCK - 5


def test_a_line_that_is_out_of_stock_leaves_the_others_untouched(
    stock: InventoryLogic, database: Database
) -> None:
    _have(database, "sku-2", 1)
    lines = [Line(sku="sku-1", quantity=1), Line(sku="sku-2", quantity=2)]
    with pytest.raises(Conflict, match="sku-2 is out of stock: 2 wanted, 1 left"):
        stock.reserve("order-1", lines, "key-1")
    assert stock.product("sku-1").in_stock == FULL_STOCK
    # The key is free again: nothing was done under it.
    assert stock.reserve("order-1", lines[:1], "key-1").lines == lines[:1]


def test_an_unknown_line_leaves_the_others_untouched(stock: InventoryLogic) -> None:
    with pytest.raises(NotFound, match="sku-99"):
        stock.reserve(
            "order-1", [Line(sku="sku-1", quantity=1), Line(sku="sku-99", quantity=1)], "key-1"
        )
    assert stock.product("sku-1").in_stock == FULL_STOCK


def test_more_than_a_hundred_of_a_product_make_no_sense_even_in_two_lines(
    stock: InventoryLogic,
) -> None:
    with pytest.raises(Invalid, match="at most 100"):
        stock.reserve("order-1", [Line(sku="sku-1", quantity=60)] * 2, "key-1")


def test_the_same_key_gives_the_same_reservation(stock: InventoryLogic) -> None:
    first = stock.reserve("order-1", [Line(sku="sku-1", quantity=2)], "key-1")
    assert stock.reserve("order-1", [Line(sku="sku-1", quantity=2)], "key-1") == first
    assert stock.product("sku-1").in_stock == FULL_STOCK - 2


def test_a_key_of_another_order_is_a_conflict(stock: InventoryLogic) -> None:
    stock.reserve("order-1", [Line(sku="sku-1", quantity=2)], "key-1")
    with pytest.raises(Conflict, match="order-1"):
        stock.reserve("order-2", [Line(sku="sku-1", quantity=2)], "key-1")


def test_a_release_gives_the_stock_back_once(stock: InventoryLogic) -> None:
    reservation = stock.reserve("order-1", [Line(sku="sku-1", quantity=2)], "key-1")
    released = stock.release(reservation.reservation_id)
    assert released == reservation.model_copy(update={"status": "released"})
    assert stock.release(reservation.reservation_id) == released
    assert stock.product("sku-1").in_stock == FULL_STOCK


def test_an_unknown_reservation_is_not_found(stock: InventoryLogic) -> None:
    with pytest.raises(NotFound, match="reservation-none"):
        stock.release("reservation-none")


def test_a_restock_fills_up_what_was_sold(stock: InventoryLogic) -> None:
    stock.reserve("order-1", [Line(sku="sku-1", quantity=2), Line(sku="sku-2", quantity=2)], "k")
    assert stock.restock() == 2
    assert stock.restock() == 0
    assert stock.product("sku-1").in_stock == FULL_STOCK


def test_buyers_at_the_same_time_get_no_more_than_there_is(
    stock: InventoryLogic, database: Database
) -> None:
    _have(database, "sku-1", 25)
    _have(database, "sku-2", 25)

    def buy(buyer: int) -> Reservation | None:
        # Half of them name the products the other way round: they must not wait for each other.
        lines = [Line(sku="sku-1", quantity=1), Line(sku="sku-2", quantity=1)]
        try:
            return stock.reserve(f"order-{buyer}", lines[:: 1 if buyer % 2 else -1], f"key-{buyer}")
        except Conflict:
            return None

    with ThreadPoolExecutor(8) as buyers:
        sold = [bought for bought in buyers.map(buy, range(60)) if bought is not None]
    assert len(sold) == 25
    assert stock.product("sku-1").in_stock == 0
    assert stock.product("sku-2").in_stock == 0


def test_one_key_used_by_many_at_the_same_time_reserves_once(stock: InventoryLogic) -> None:
    def reserve(_: int) -> str:
        return stock.reserve("order-1", [Line(sku="sku-1", quantity=1)], "key-1").reservation_id

    with ThreadPoolExecutor(8) as callers:
        assert len(set(callers.map(reserve, range(24)))) == 1
    assert stock.product("sku-1").in_stock == FULL_STOCK - 1


def test_releases_at_the_same_time_give_back_once(stock: InventoryLogic) -> None:
    made = stock.reserve("order-1", [Line(sku="sku-1", quantity=4)], "key-1")
    with ThreadPoolExecutor(8) as callers:
        list(callers.map(lambda _: stock.release(made.reservation_id), range(16)))
    assert stock.product("sku-1").in_stock == FULL_STOCK


def test_a_failing_reservation_takes_nothing_and_is_not_worth_repeating(
    stage: Stage, stock: InventoryLogic
) -> None:
    stage.break_it("saga-reserve-fails")
    with pytest.raises(DependencyError, match="does not add up") as raised:
        stock.reserve("order-1", [Line(sku="sku-1", quantity=2)], "key-1")
    assert not raised.value.is_retryable
    assert stock.product("sku-1").in_stock == FULL_STOCK
    stage.mend()
    assert stock.reserve("order-1", [Line(sku="sku-1", quantity=2)], "key-1").status == "reserved"
