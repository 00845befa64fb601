"""The gRPC interface of payment-service."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import grpc
from pydantic import ValidationError

from shop.chassis.errors import DependencyUnavailable, Invalid, ShopError
from shop.chassis.grpc_calls import abort_with
from shop.chassis.ports import Faults
from shop.payment import contract, payment_pb2_grpc
from shop.payment.payment_pb2 import ChargeReply, ChargeRequest, RefundRequest

SERVICE = "payment-service"
DOWN = "payment-down"
SLOW = "payment-slow"

_log = logging.getLogger("shop.payment")


class PaymentServicer(payment_pb2_grpc.PaymentServiceServicer):
    """Answers `shop.payment.v1.PaymentService`. `sleep` takes seconds."""

    def __init__(
        self, logic: contract.Payments, faults: Faults, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._logic = logic
        self._faults = faults
        self._sleep = sleep

    def Charge(self, request: ChargeRequest, context: grpc.ServicerContext) -> ChargeReply:
        """Take the money."""

        def charge() -> contract.Charge:
            self._be_slow()
            return self._logic.charge(
                contract.ChargeRequest(
                    order_id=request.order_id,
                    user_id=request.user_id,
                    amount_cents=request.amount_cents,
                    currency=request.currency,
                    card_token=request.card_token,
                    idempotency_key=request.idempotency_key,
                )
            )

        return self._answer(charge, context)

    def Refund(self, request: RefundRequest, context: grpc.ServicerContext) -> ChargeReply:
        """Give it back."""
        return self._answer(
            lambda: self._logic.refund(request.charge_id, request.idempotency_key), context
        )

    def _answer(self, work: Callable[[], contract.Charge], context: Any) -> ChargeReply:
        try:
            if self._faults.active(DOWN) is not None:
                raise DependencyUnavailable(SERVICE, "payment-service takes no calls")
            return ChargeReply(**work().model_dump())
        except ShopError as error:
            abort_with(context, error)
        except ValidationError as error:
            abort_with(context, Invalid(f"the request makes no sense: {error}"))
        except Exception:
            _log.exception("a call failed unexpectedly")
            abort_with(context, ShopError("payment-service failed; its log says why"))

    def _be_slow(self) -> None:
        """With `payment-slow` on: a model that scores the risk on this very thread takes its
        time, and no other service or database has a part in it."""
        parameters = self._faults.active(SLOW)
        if parameters is not None:
            self._sleep(float(parameters["seconds"]))
