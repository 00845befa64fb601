"""The client of inventory-service: its contract over HTTP."""

from __future__ import annotations

from collections.abc import Sequence

from shop.chassis.ports import Caller
from shop.chassis.replies import read_reply
from shop.inventory.contract import Line, Product, Reservation, ReservationRequest

SERVICE = "inventory-service"


class InventoryClient:
    """Implements `contract.Inventory`; beside its errors, all of `Caller.request` may come."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def products(self, limit: int) -> list[Product]:
        """By sku."""
        answer = self._caller.request("GET", "/v1/products", params={"limit": limit})
        return read_reply(answer, list[Product], SERVICE)

    def product(self, sku: str) -> Product:
        """Raises `NotFound`."""
        answer = self._caller.request("GET", "/v1/products/{sku}", params={"sku": sku})
        return read_reply(answer, Product, SERVICE)

    def reserve(self, order_id: str, lines: Sequence[Line], idempotency_key: str) -> Reservation:
        """All lines or none."""
        request = ReservationRequest(order_id=order_id, lines=list(lines))
        answer = self._caller.request(
            "POST",
            "/v1/reservations",
            json=request.model_dump(mode="json"),
            idempotency_key=idempotency_key,
        )
        return read_reply(answer, Reservation, SERVICE)

    def release(self, reservation_id: str) -> Reservation:
        """Undo a reservation; doing it again changes nothing. Raises `NotFound`."""
        answer = self._caller.request(
            "DELETE",
            "/v1/reservations/{reservation_id}",
            params={"reservation_id": reservation_id},
        )
        return read_reply(answer, Reservation, SERVICE)
