"""The contract of payment-service (over gRPC: `payment.proto`): money taken and given back."""

from __future__ import annotations

from typing import Protocol

from pydantic import BaseModel


class ChargeRequest(BaseModel):
    order_id: str
    user_id: str
    amount_cents: int
    currency: str
    card_token: str
    idempotency_key: str


class Charge(BaseModel):
    charge_id: str
    order_id: str
    amount_cents: int
    currency: str
    status: str  # captured, refunded


class Payments(Protocol):
    """Payments."""

    def charge(self, request: ChargeRequest) -> Charge:
        """Take the money; the same key gives the same charge. Raises `PaymentDeclined`."""
        ...

    def refund(self, charge_id: str, idempotency_key: str) -> Charge:
        """Give it back; doing it again changes nothing. Raises `NotFound`."""
        ...
