"""The HTTP routes of notification-service."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header

from shop.identifiers import PathName
from shop.notification.contract import Email, EmailRequest, Notifications


def api(logic: Notifications) -> APIRouter:
    """The contract over HTTP."""
    router = APIRouter(prefix="/v1", tags=["notification"])

    @router.post("/emails", status_code=201)
    def send(
        request: EmailRequest,
        idempotency_key: Annotated[str, Header(min_length=1, max_length=200)],
    ) -> Email:
        """Send an e-mail about an order."""
        return logic.send(request, idempotency_key)

    @router.get("/emails")
    def emails(order_id: PathName) -> list[Email]:
        """What was sent about an order, oldest first."""
        return logic.emails(order_id)

    return router
