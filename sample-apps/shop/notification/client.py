"""The client of notification-service: its contract over HTTP."""

from __future__ import annotations

from shop.chassis.ports import Caller
from shop.chassis.replies import read_reply
from shop.notification.contract import Email, EmailRequest

SERVICE = "notification-service"


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
        return read_reply(answer, Email, SERVICE)

    def emails(self, order_id: str) -> list[Email]:
        """What was sent about an order, oldest first."""
        answer = self._caller.request("GET", "/v1/emails", params={"order_id": order_id})
        return read_reply(answer, list[Email], SERVICE)
