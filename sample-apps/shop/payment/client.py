"""The client of payment-service, for the services that call it."""

from __future__ import annotations

from shop.chassis.grpc_calls import GrpcCaller
from shop.payment.contract import Charge, ChargeRequest
from shop.payment.payment_pb2 import ChargeReply, RefundRequest
from shop.payment.payment_pb2 import ChargeRequest as ChargeMessage

SERVICE = "payment-service"
CHARGE = "shop.payment.v1.PaymentService/Charge"
REFUND = "shop.payment.v1.PaymentService/Refund"


class PaymentClient:
    """Implements `contract.Payments` over gRPC; raises `DependencyError`s beside its errors."""

    def __init__(self, caller: GrpcCaller) -> None:
        self._caller = caller

    def charge(self, request: ChargeRequest) -> Charge:
        """Raises `PaymentDeclined` and `Conflict`."""
        message = ChargeMessage(**request.model_dump())
        return charge_of(
            self._caller.call(CHARGE, message, ChargeReply, idempotency_key=request.idempotency_key)
        )

    def refund(self, charge_id: str, idempotency_key: str) -> Charge:
        """Raises `NotFound`."""
        message = RefundRequest(charge_id=charge_id, idempotency_key=idempotency_key)
        return charge_of(
            self._caller.call(REFUND, message, ChargeReply, idempotency_key=idempotency_key)
        )


def charge_of(reply: ChargeReply) -> Charge:
    """The charge that a message describes."""
    return Charge(
        charge_id=reply.charge_id,
        order_id=reply.order_id,
        amount_cents=reply.amount_cents,
        currency=reply.currency,
        status=reply.status,
    )
