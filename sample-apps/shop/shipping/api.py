"""The HTTP routes of shipping-service."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header

from shop.identifiers import PathName
from shop.shipping.contract import Shipment, ShipmentRequest, Shipping


def api(logic: Shipping) -> APIRouter:
    """The contract over HTTP."""
    router = APIRouter(prefix="/v1", tags=["shipping"])

    @router.post("/shipments", status_code=201)
    def schedule(
        request: ShipmentRequest,
        idempotency_key: Annotated[str, Header(min_length=1, max_length=200)],
    ) -> Shipment:
        """Have an order fetched by the carrier."""
        return logic.schedule(request.order_id, request.address, request.lines, idempotency_key)

    @router.delete("/shipments/{shipment_id}")
    def cancel(shipment_id: PathName) -> Shipment:
        """Keep the parcel here."""
        return logic.cancel(shipment_id)

    return router
