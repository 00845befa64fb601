"""The business of payment-service: charges and refunds."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable

from opentelemetry import trace

from shop.chassis.errors import Conflict, Invalid, NotFound, PaymentDeclined
from shop.chassis.ports import Database, Row, Transaction
from shop.payment import attempts, wanted_refunds
from shop.payment.card_network import CardNetwork
from shop.payment.contract import Charge, ChargeRequest
from shop.payment.history import CardHistory

_log = logging.getLogger("shop.payment")


class PaymentLogic:
    """Implements `contract.Payments`. No connection is held while the card network is asked.

    An attempt is written down before the network is asked. When its outcome was not learned, the
    next request with its key asks again, and the network answers the same key with the same
    authorisation; when none comes, it is called off (`settling`).
    """

    def __init__(
        self,
        database: Database,
        network: CardNetwork,
        *,
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._database = database
        self._network = network
        self._clock = clock
        self._new_id = new_id
        self.history = CardHistory(database, clock)

    def charge(self, request: ChargeRequest) -> Charge:
        """Take the money; the same key gives the same charge. Raises `PaymentDeclined`, `Conflict`
        for a key that was used for something else, `Invalid` for a request that has no key or no
        money in it, `DependencyError`."""
        if not request.idempotency_key:
            raise Invalid("a charge needs an idempotency key")
        if request.amount_cents <= 0:
            raise Invalid(f"an amount of {request.amount_cents} cents cannot be charged")
        span = trace.get_current_span()
        span.set_attributes({"order.id": request.order_id, "user.id": request.user_id})
        with self._database.transaction() as transaction:
            known = _charge_with_key(transaction, request)
            is_repeat = known is None and attempts.is_known(transaction, request.idempotency_key)
        if known:
            _log.info("%s of %s is known", known.charge_id, known.order_id)
            return known
        if not is_repeat:
            # A repeat asks what became of money that may be taken already; a no from us would
            # say that it never was.
            self.history.refuse_fraud(request.card_token, request.amount_cents)
        with self._database.transaction() as transaction:
            attempts.begin(transaction, request, self._now_unix_ms())
        try:
            authorisation = self._network.authorise(
                request.card_token,
                request.amount_cents,
                request.currency,
                request.idempotency_key,
            )
        except PaymentDeclined:
            with self._database.transaction() as transaction:
                attempts.end(transaction, request.idempotency_key)
            self.history.note(request.card_token, request.amount_cents, "declined")
            _log.warning("the card network declined the card of %s", request.order_id)
            raise
        charge = self._write_down(request, authorisation.authorisation_id)
        self.history.note(request.card_token, request.amount_cents, "captured")
        span.set_attribute("payment.charge_id", charge.charge_id)
        _log.info("charged %d cents for %s", charge.amount_cents, charge.order_id)
        return charge

    def refund(self, charge_id: str, idempotency_key: str) -> Charge:
        """Give it back; doing it again changes nothing. Raises `NotFound`, `DependencyError`."""
        trace.get_current_span().set_attribute("payment.charge_id", charge_id)
        with self._database.transaction() as transaction:
            row = _row_of(transaction, charge_id)
            if row["status"] == "refunded":
                return _charge(row)
            # From here on it is given in any case, if need be later by `settling`.
            now = self._now_unix_ms()
            wanted_refunds.promise(transaction, charge_id, row["order_id"], now)
        # The network's key is made of the charge and not of the caller's key: two callers who
        # both want it undone get it undone once.
        self._network.refund(row["authorisation_id"], row["amount_cents"], f"refund-{charge_id}")
        with self._database.transaction() as transaction:
            wanted_refunds.give(transaction, charge_id)
        _log.info("refunded %s of %s (%s)", charge_id, row["order_id"], idempotency_key)
        return _charge({**row, "status": "refunded"})

    def call_off(self, idempotency_key: str, order_id: str) -> Charge | None:
        """Take nothing under this key any more: `settling` has the network void what may have been
        taken, and who comes later with the key gets `PaymentDeclined`. A charge that is written
        down already is not touched but returned: to be refunded, or to be content with."""
        with self._database.transaction() as transaction:
            # Before the look for a charge: the row keeps one from being written meanwhile.
            attempts.call_off(transaction, idempotency_key, order_id, self._now_unix_ms())
            rows = transaction.execute(
                "SELECT * FROM charges WHERE idempotency_key = :key", key=idempotency_key
            )
            if rows:
                attempts.forget(transaction, idempotency_key)
        return _charge(rows[0]) if rows else None

    def charge_with_id(self, charge_id: str) -> Charge:
        """Raises `NotFound`."""
        with self._database.transaction() as transaction:
            return _charge(_row_of(transaction, charge_id))

    def _write_down(self, request: ChargeRequest, authorisation_id: str) -> Charge:
        with self._database.transaction() as transaction:
            if not attempts.end(transaction, request.idempotency_key):
                # Somebody with the same key was faster, or the payment was called off.
                charge = _charge_with_key(transaction, request)
                if charge is None:
                    raise PaymentDeclined(attempts.CALLED_OFF_SAID)
                return charge
            transaction.execute(
                """
                INSERT INTO charges (charge_id, idempotency_key, order_id, user_id, amount_cents,
                    currency, card_token, authorisation_id, status, charged_unix_ms)
                VALUES (:charge_id, :idempotency_key, :order_id, :user_id, :amount_cents,
                    :currency, :card_token, :authorisation_id, 'captured', :charged_unix_ms)
                ON CONFLICT (idempotency_key) DO NOTHING
                """,
                **request.model_dump(),
                charge_id=f"charge-{self._new_id()}",
                authorisation_id=authorisation_id,
                charged_unix_ms=self._now_unix_ms(),
            )
            # Somebody with the same key may have been done before we began; theirs is the charge.
            charge = _charge_with_key(transaction, request)
        assert charge is not None, "it was inserted or it was there"
        return charge

    def _now_unix_ms(self) -> int:
        return round(self._clock() * 1000)


def _charge_with_key(transaction: Transaction, request: ChargeRequest) -> Charge | None:
    rows = transaction.execute(
        "SELECT * FROM charges WHERE idempotency_key = :key", key=request.idempotency_key
    )
    if not rows:
        return None
    asked = request.model_dump()
    if any(rows[0][name] != value for name, value in asked.items()):
        raise Conflict(f"the key {request.idempotency_key!r} was used for another charge")
    return _charge(rows[0])


def _row_of(transaction: Transaction, charge_id: str) -> Row:
    rows = transaction.execute("SELECT * FROM charges WHERE charge_id = :id", id=charge_id)
    if not rows:
        raise NotFound(f"there is no charge {charge_id!r}")
    return rows[0]


def _charge(row: Row) -> Charge:
    return Charge.model_validate({name: row[name] for name in Charge.model_fields})
