"""The contract of order-service: orders, placed by an orchestrated saga or by choreography."""

from __future__ import annotations

from typing import Protocol

from pydantic import BaseModel, Field

from shop.identifiers import Token
from shop.inventory.contract import Line


class OrderRequest(BaseModel):
    lines: list[Line] = Field(min_length=1, max_length=20)
    card_token: Token


class Order(BaseModel):
    """`failure` says in words why an order was cancelled."""

    order_id: str
    user_id: str
    saga_id: str
    status: str  # pending, confirmed, cancelled
    lines: list[Line]
    total_cents: int
    currency: str = "EUR"
    failure: str = ""


class Orders(Protocol):
    """Orders."""

    def checkout(self, user_id: str, request: OrderRequest, idempotency_key: str) -> Order:
        """Charge, reserve, announce by e-mail, ship: one orchestrated saga, done when this
        returns. A failed step is undone in reverse order; then the order comes back cancelled,
        with the reason. The same key gives the same order."""
        ...

    def quick_order(self, user_id: str, request: OrderRequest, idempotency_key: str) -> Order:
        """Place the order and return it pending; events carry it on to confirmed or cancelled."""
        ...

    def order(self, order_id: str) -> Order:
        """Raises `NotFound`."""
        ...

    def orders_of(self, user_id: str, limit: int) -> list[Order]:
        """Newest first."""
        ...
