"""The gRPC interface of payment-service."""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Callable
from typing import Any

import grpc
from opentelemetry import trace
from pydantic import ValidationError

from shop.chassis.errors import DependencyUnavailable, Invalid, ShopError
from shop.chassis.grpc_calls import abort_with
from shop.chassis.ports import Faults
from shop.payment import contract, payment_pb2_grpc
from shop.payment.payment_pb2 import ChargeReply, ChargeRequest, RefundRequest

SERVICE = "payment-service"
DOWN = "payment-down"
SLOW = "payment-slow"
CHARGE_FAILS = "saga-charge-fails"

_log = logging.getLogger("shop.payment")


class KeyLost(RuntimeError):
    """The key that seals a card's token is not there: a defect, nobody expects it."""


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
            self._unseal(request.card_token)
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
                self._faults.acted(DOWN)
                raise DependencyUnavailable(SERVICE, "payment-service takes no calls")
            return ChargeReply(**work().model_dump())
        except ShopError as error:
            abort_with(context, error)
        except ValidationError as error:
            abort_with(context, Invalid(f"the request makes no sense: {error}"))
        except Exception as error:
            trace.get_current_span().record_exception(error)
            _log.exception("a call failed unexpectedly")
            abort_with(context, ShopError("payment-service failed; its log says why"))

    def _be_slow(self) -> None:
        """With `payment-slow` on: a model that scores the risk on this very thread takes its
        time, and no other service or database has a part in it."""
        parameters = self._faults.active(SLOW)
        if parameters is not None:
            self._faults.acted(SLOW)
            self._sleep(float(parameters["seconds"]))

    def _unseal(self, card_token: str) -> None:
        """With `saga-charge-fails` on: a key was lost in its rotation, and the cards sealed with
        it, a share of all, can't be read. It fails before any money is moved."""
        parameters = self._faults.active(CHARGE_FAILS)
        if parameters is None:
            return
        # The same cards at every attempt. Not all of them, or the breaker of order-service would
        # open, and that would be another story.
        if zlib.crc32(card_token.encode()) % 1000 < float(parameters["share"]) * 1000:
            self._faults.acted(CHARGE_FAILS)
            raise KeyLost("no key opens the token of this card")
