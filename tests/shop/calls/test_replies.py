"""What a dependency says and what a path may hold, when either makes no sense."""

from __future__ import annotations

import httpx
import pytest

from shop.chassis.caller import fill_template
from shop.chassis.errors import DependencyError, Invalid
from shop.chassis.replies import read_reply
from shop.inventory.contract import Product

LAMP = {"sku": "sku-1", "name": "Lamp", "price_cents": 5, "in_stock": 1}


def test_a_reply_becomes_what_was_promised() -> None:
    lamp = Product(sku="sku-1", name="Lamp", price_cents=5, in_stock=1)

    assert read_reply(httpx.Response(200, json=LAMP), Product, "inventory-service") == lamp
    assert read_reply(httpx.Response(200, json=[LAMP]), list[Product], "x") == [lamp]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"sku": 1}', b"\xff"])
def test_a_reply_that_cannot_be_read_is_the_fault_of_who_sent_it(body: bytes) -> None:
    with pytest.raises(DependencyError, match="answer of inventory-service") as caught:
        read_reply(httpx.Response(200, content=body), Product, "inventory-service")

    assert caught.value.dependency == "inventory-service"
    assert caught.value.http_status == 502


@pytest.mark.parametrize("value", ["", ".", "..", "\ud800"])
def test_a_path_is_not_filled_with_what_names_nothing(value: str) -> None:
    with pytest.raises(Invalid, match="^sku is"):
        fill_template("/v1/products/{sku}", {"sku": value})


def test_dots_inside_of_a_name_are_kept() -> None:
    assert fill_template("/v1/products/{sku}", {"sku": "...a"}) == ("/v1/products/...a", {})
