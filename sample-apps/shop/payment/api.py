"""The HTTP interface of payment-service; money moves over gRPC only."""

from __future__ import annotations

from fastapi import APIRouter

from shop.payment.contract import Charge
from shop.payment.logic import PaymentLogic


def api(logic: PaymentLogic) -> APIRouter:
    """`GET /v1/charges/{charge_id}`."""
    router = APIRouter(prefix="/v1", tags=["payments"])

    @router.get("/charges/{charge_id}")
    def charge(charge_id: str) -> Charge:
        """What became of a charge."""
        return logic.charge_with_id(charge_id)

    return router
