"""Settling: a thread sees to it that no money stays taken for what nobody will deliver.

It calls off attempts whose outcome nobody learned and nobody asks for again, has the card network
void what was called off, and gives refunds that were promised, each until the network answers.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation

from shop.chassis.errors import ShopError
from shop.chassis.ports import Database
from shop.payment import attempts, wanted_refunds
from shop.payment.card_network import CardNetwork
from shop.payment.logic import PaymentLogic

EVERY_SECONDS = 2.0
ABANDONED_SECONDS = 60.0
"""Longer than a broker's lease and than order-service needs to start again: whoever still wants
the money has asked again by then. Who asks later is told that the payment was called off."""
PROMISED_SECONDS = 5.0
"""A younger refund is just being made by whoever promised it."""
STOP_SECONDS = 3.0

_log = logging.getLogger("shop.payment")


class Settling:
    """Looks every `every_seconds`; the looking leaves no spans, what it does about it does.
    `clock` gives seconds since the epoch."""

    def __init__(
        self,
        logic: PaymentLogic,
        database: Database,
        network: CardNetwork,
        *,
        every_seconds: float = EVERY_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._logic = logic
        self._database = database
        self._network = network
        self._every_seconds = every_seconds
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="settling", daemon=True)

    def start(self) -> None:
        """Begin with what an earlier life of this service left behind."""
        self._thread.start()

    def stop(self) -> None:
        """Waits a while for what is in hand; the next life finds what is left."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def round(self) -> None:
        """Look once. A failure is logged: the next round tries again."""
        for step in (self._call_off, self._void, self._refund):
            try:
                step()
            except ShopError as error:
                _log.warning("cannot settle what is open now: %s", error)
            except Exception:
                _log.exception("cannot settle what is open now")

    def _run(self) -> None:
        self.round()
        while not self._stopping.wait(self._every_seconds):
            self.round()

    def _call_off(self) -> None:
        before = self._before_unix_ms(ABANDONED_SECONDS)
        with suppress_instrumentation(), self._database.transaction() as transaction:
            found = attempts.abandoned(transaction, before)
        for key, order_id in found:
            with _settling(order_id):
                self._logic.call_off(key, order_id)
            _log.warning("nobody asks for the payment of %s again: called off", order_id)

    def _void(self) -> None:
        with suppress_instrumentation(), self._database.transaction() as transaction:
            found = attempts.called_off(transaction)
        for key, order_id in found:
            if self._stopping.is_set():
                return
            with _settling(order_id):
                try:
                    self._network.void(key)
                except ShopError:
                    with self._database.transaction() as transaction:
                        attempts.put_last(transaction, key, self._before_unix_ms(0))
                    raise
                with self._database.transaction() as transaction:
                    attempts.void(transaction, key)
            _log.info("nothing is taken for %s any more", order_id)

    def _refund(self) -> None:
        with suppress_instrumentation(), self._database.transaction() as transaction:
            found = wanted_refunds.due(transaction, self._before_unix_ms(PROMISED_SECONDS))
        for charge_id, order_id in found:
            if self._stopping.is_set():
                return
            with _settling(order_id):
                try:
                    self._logic.refund(charge_id, f"promised-{charge_id}")
                except ShopError:
                    with self._database.transaction() as transaction:
                        wanted_refunds.put_last(transaction, charge_id, self._before_unix_ms(0))
                    raise

    def _before_unix_ms(self, seconds: float) -> int:
        return round((self._clock() - seconds) * 1000)


@contextmanager
def _settling(order_id: str) -> Iterator[None]:
    tracer = trace.get_tracer("shop.payment")
    with tracer.start_as_current_span("settle payment", attributes={"order.id": order_id}):
        yield
