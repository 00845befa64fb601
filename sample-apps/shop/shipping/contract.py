"""The contract of shipping-service: parcels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pydantic import BaseModel, Field

from shop.identifiers import Identifier
from shop.inventory.contract import Line
from shop.user.contract import Address


class Shipment(BaseModel):
    shipment_id: str
    order_id: str
    carrier: str
    tracking_code: str
    status: str  # scheduled, cancelled


class ShipmentRequest(BaseModel):
    """What `POST /v1/shipments` takes, with the key in the header `Idempotency-Key`."""

    order_id: Identifier
    address: Address
    lines: list[Line] = Field(min_length=1, max_length=20)


class Shipping(Protocol):
    """Parcels."""

    def schedule(
        self, order_id: str, address: Address, lines: Sequence[Line], idempotency_key: str
    ) -> Shipment:
        """The same key gives the same shipment. Raises `Invalid` for a country nobody serves."""
        ...

    def cancel(self, shipment_id: str) -> Shipment:
        """Doing it again changes nothing. Raises `NotFound`."""
        ...
