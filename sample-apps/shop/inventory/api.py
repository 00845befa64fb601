"""The HTTP routes of inventory-service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Header, Query

from shop.identifiers import PathName
from shop.inventory.contract import Inventory, Product, Reservation, ReservationRequest


def api(logic: Inventory, admit: Callable[[], None] = lambda: None) -> APIRouter:
    """The contract over HTTP. `admit` is asked before each reservation and raises to refuse it."""
    router = APIRouter(prefix="/v1", tags=["inventory"])

    @router.get("/products")
    def products(limit: Annotated[int, Query(ge=1, le=100)] = 20) -> list[Product]:
        """The catalogue with prices and stock, by sku."""
        return logic.products(limit)

    @router.get("/products/{sku}")
    def product(sku: PathName) -> Product:
        """One product."""
        return logic.product(sku)

    @router.post("/reservations", status_code=201)
    def reserve(
        request: ReservationRequest,
        idempotency_key: Annotated[str, Header(min_length=1, max_length=200)],
    ) -> Reservation:
        """Set aside all lines of an order, or none."""
        admit()
        return logic.reserve(request.order_id, request.lines, idempotency_key)

    @router.delete("/reservations/{reservation_id}")
    def release(reservation_id: PathName) -> Reservation:
        """Give back what was set aside."""
        return logic.release(reservation_id)

    return router
