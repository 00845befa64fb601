"""The HTTP interface of order-service."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query

from shop.chassis.errors import NotFound
from shop.identifiers import VISIBLE_ASCII, PathName
from shop.order.contract import Order, OrderRequest, Orders

UserId = Annotated[
    str, Header(alias="x-user-id", min_length=1, max_length=100, pattern=VISIBLE_ASCII)
]
MaybeUserId = Annotated[str | None, Header(alias="x-user-id")]
Key = Annotated[str, Header(alias="idempotency-key", max_length=200, pattern=VISIBLE_ASCII)]


def api(logic: Orders) -> APIRouter:
    """The routes `/v1/orders` and `/v1/quick-orders`. Who asks stands in the header x-user-id,
    which the gateway writes; an idempotency key belongs to its user."""
    router = APIRouter(prefix="/v1", tags=["orders"])

    @router.post("/orders", status_code=201)
    def checkout(request: OrderRequest, x_user_id: UserId, idempotency_key: Key = "") -> Order:
        """Buy: done, or cancelled with the reason, when the answer comes."""
        return logic.checkout(x_user_id, request, idempotency_key)

    @router.post("/quick-orders", status_code=202)
    def quick_order(request: OrderRequest, x_user_id: UserId, idempotency_key: Key = "") -> Order:
        """Buy with one click: pending when the answer comes."""
        return logic.quick_order(x_user_id, request, idempotency_key)

    @router.get("/orders/{order_id}")
    def order(order_id: PathName, x_user_id: MaybeUserId = None) -> Order:
        """One order. Asked on behalf of a user, only their own exists."""
        found = logic.order(order_id)
        if x_user_id is not None and found.user_id != x_user_id:
            raise NotFound(f"there is no order {order_id}")
        return found

    @router.get("/orders")
    def orders(x_user_id: UserId, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> list[Order]:
        """A user's orders, newest first."""
        return logic.orders_of(x_user_id, limit)

    return router
