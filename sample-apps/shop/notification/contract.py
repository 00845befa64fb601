"""The contract of notification-service: e-mails, which nobody can call back."""

from __future__ import annotations

from typing import Protocol

from pydantic import BaseModel

from shop.identifiers import Identifier


class EmailRequest(BaseModel):
    """`template` is order-received, order-confirmed, order-cancelled or correction."""

    order_id: Identifier
    user_id: Identifier
    template: Identifier


class Email(BaseModel):
    email_id: str
    order_id: str
    template: str
    status: str  # sent


class Notifications(Protocol):
    """E-mails. The usual way in is the event `EmailRequested`."""

    def send(self, request: EmailRequest, idempotency_key: str) -> Email:
        """Hand it to the relay; the same key sends once."""
        ...

    def emails(self, order_id: str) -> list[Email]:
        """What was sent about an order, oldest first."""
        ...
