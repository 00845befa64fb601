"""The client of notification-service: its contract over HTTP."""

from __future__ import annotations

from pydantic import TypeAdapter

from shop.chassis.ports import Caller
from shop.notification.contract import Email, EmailRequest

_EMAILS = TypeAdapter(list[Email])


class NotificationClient:
    """Implements `contract.Notifications`; beside its errors, all of `Caller.request` may come."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def send(self, request: EmailRequest, idempotency_key: str) -> Email:
        """The same key sends once."""
        answer = self._caller.request(
            "POST",
            "/v1/emails",
            json=request.model_dump(mode="json"),
            idempotency_key=idempotency_key,
        )
        return Email.model_validate_json(answer.content)

    def emails(self, order_id: str) -> list[Email]:
        """What was sent about an order, oldest first."""
        answer = self._caller.request("GET", "/v1/emails", params={"order_id": order_id})
        return _EMAILS.validate_json(answer.content)
