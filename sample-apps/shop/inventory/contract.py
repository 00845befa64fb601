"""The contract of inventory-service: what there is, and what is set aside for whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pydantic import BaseModel, Field

from shop.identifiers import Identifier


class Product(BaseModel):
    sku: str
    name: str
    price_cents: int
    currency: str = "EUR"
    in_stock: int


class Line(BaseModel):
    sku: Identifier
    quantity: int = Field(gt=0, le=100)


class Reservation(BaseModel):
    reservation_id: str
    order_id: str
    lines: list[Line]
    status: str  # reserved, released


class ReservationRequest(BaseModel):
    """What `POST /v1/reservations` takes, with the key in the header `Idempotency-Key`."""

    order_id: Identifier
    lines: list[Line] = Field(min_length=1, max_length=20)


class Inventory(Protocol):
    """Stock."""

    def products(self, limit: int) -> list[Product]:
        """By sku."""
        ...

    def product(self, sku: str) -> Product:
        """Raises `NotFound`."""
        ...

    def reserve(self, order_id: str, lines: Sequence[Line], idempotency_key: str) -> Reservation:
        """All lines or none. The same key gives the same reservation. Raises `Conflict` when
        something is out of stock, `NotFound` for an unknown sku."""
        ...

    def release(self, reservation_id: str) -> Reservation:
        """Undo a reservation; doing it again changes nothing. Raises `NotFound`."""
        ...
