"""The client of order-service: its contract over HTTP."""

from __future__ import annotations

from shop.chassis.ports import Caller
from shop.chassis.replies import read_reply
from shop.order.contract import Order, OrderRequest

SERVICE = "order-service"


class OrderClient:
    """Implements `contract.Orders`; beside its errors, all of `Caller.request` may come.

    A checkout takes as long as the card network, the stock and the carrier together: a caller
    that gives up after less than 15 s gives up on orders that go through.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def checkout(self, user_id: str, request: OrderRequest, idempotency_key: str) -> Order:
        """Repeated only with an idempotency key."""
        return self._place("/v1/orders", user_id, request, idempotency_key)

    def quick_order(self, user_id: str, request: OrderRequest, idempotency_key: str) -> Order:
        """Repeated only with an idempotency key."""
        return self._place("/v1/quick-orders", user_id, request, idempotency_key)

    def order(self, order_id: str) -> Order:
        """Raises `NotFound`."""
        answer = self._caller.request("GET", "/v1/orders/{order_id}", params={"order_id": order_id})
        return read_reply(answer, Order, SERVICE)

    def orders_of(self, user_id: str, limit: int) -> list[Order]:
        """Newest first; `limit` from 1 to 100."""
        answer = self._caller.request(
            "GET", "/v1/orders", params={"limit": limit}, headers={"x-user-id": user_id}
        )
        return read_reply(answer, list[Order], SERVICE)

    def _place(self, path: str, user_id: str, request: OrderRequest, key: str) -> Order:
        answer = self._caller.request(
            "POST",
            path,
            json=request.model_dump(mode="json"),
            headers={"x-user-id": user_id},
            idempotency_key=key,
        )
        return read_reply(answer, Order, SERVICE)
