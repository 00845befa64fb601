"""The business of shipping-service: parcels booked with a carrier, once for every order."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from typing import Protocol

from shop.chassis.errors import Conflict, DependencyError, Invalid, NotFound
from shop.chassis.ports import Database, Faults, Row, Transaction
from shop.inventory.contract import Line
from shop.shipping.carrier import Carrier, Parcel
from shop.shipping.contract import Shipment
from shop.user.contract import Address

SERVED = frozenset({"AT", "BE", "CH", "DE", "DK", "ES", "FR", "GB", "IT", "LU", "NL", "PL", "US"})
"""Countries the carrier drives to (ISO 3166)."""

# In both a parcel is refused; in the second one the saga also forgets to undo the charge.
REFUSAL_FAULTS = ("saga-ship-fails", "saga-missing-compensation")

_log = logging.getLogger("shop.shipping")


class Detour(Protocol):
    """What a badly cut service does on its way, and should not: nothing, unless a fault is on."""

    def before_booking(self, order_id: str) -> None: ...

    def after_booking(self, order_id: str, tracking_code: str) -> None: ...


class ShippingLogic:
    """Shipments in a database; implements `contract.Shipping`. The `detours` are made in
    their order, around each booking."""

    def __init__(
        self,
        database: Database,
        faults: Faults,
        carrier: Carrier,
        *,
        detours: Sequence[Detour] = (),
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._database = database
        self._faults = faults
        self._carrier = carrier
        self._detours = detours
        self._new_id = new_id

    def schedule(
        self, order_id: str, address: Address, lines: Sequence[Line], idempotency_key: str
    ) -> Shipment:
        """The same key gives the same shipment. Raises `Invalid` for a country nobody serves,
        `Conflict` for a key of another order, `DependencyError` when the carrier fails."""
        if address.country not in SERVED:
            raise Invalid(f"nobody delivers to {address.country!r}")
        with self._database.transaction() as transaction:
            known = _by_key(transaction, order_id, idempotency_key)
        if known is not None:
            return known
        for detour in self._detours:
            detour.before_booking(order_id)
        # Booked outside of any transaction: a carrier that takes its time shall not keep a
        # connection. Should this process die before the row is written, the next attempt books
        # under the same key, and the carrier knows it.
        parcel = self._book(order_id, address, lines, idempotency_key)
        shipment_id = f"shipment-{self._new_id()}"
        with self._database.transaction() as transaction:
            transaction.execute(
                "INSERT INTO shipments (shipment_id, order_id, idempotency_key, carrier, "
                "tracking_code, status) VALUES (:shipment_id, :order_id, :idempotency_key, "
                ":carrier, :tracking_code, 'scheduled') ON CONFLICT (idempotency_key) DO NOTHING",
                shipment_id=shipment_id,
                order_id=order_id,
                idempotency_key=idempotency_key,
                carrier=parcel.carrier,
                tracking_code=parcel.tracking_code,
            )
            # Whoever wrote it: two calls with one key give one shipment.
            shipment = _by_key(transaction, order_id, idempotency_key)
        assert shipment is not None
        for detour in self._detours:
            detour.after_booking(order_id, shipment.tracking_code)
        _log.info("scheduled %s for %s", shipment.shipment_id, order_id)
        return shipment

    def cancel(self, shipment_id: str) -> Shipment:
        """Keep the parcel here; doing it again changes nothing. Raises `NotFound`."""
        with self._database.transaction() as transaction:
            rows = transaction.execute(
                "UPDATE shipments SET status = 'cancelled' WHERE shipment_id = :shipment_id "
                "RETURNING shipment_id, order_id, carrier, tracking_code, status",
                shipment_id=shipment_id,
            )
        if not rows:
            raise NotFound(f"there is no shipment {shipment_id!r}")
        _log.info("cancelled %s of %s", shipment_id, rows[0]["order_id"])
        return _shipment(rows[0])

    def _book(
        self, order_id: str, address: Address, lines: Sequence[Line], idempotency_key: str
    ) -> Parcel:
        refusing = [fault for fault in REFUSAL_FAULTS if self._faults.active(fault) is not None]
        for fault in refusing:
            self._faults.acted(fault)
        if refusing:
            refusal = DependencyError(
                "carrier", "the carrier takes no parcels of this shop: the contract has ended"
            )
            refusal.is_retryable = False  # It would say the same again.
            raise refusal
        return self._carrier.book(order_id, address, lines, idempotency_key)


def _by_key(transaction: Transaction, order_id: str, idempotency_key: str) -> Shipment | None:
    rows = transaction.execute(
        "SELECT shipment_id, order_id, carrier, tracking_code, status FROM shipments "
        "WHERE idempotency_key = :idempotency_key",
        idempotency_key=idempotency_key,
    )
    if not rows:
        return None
    if rows[0]["order_id"] != order_id:
        raise Conflict(f"the key {idempotency_key!r} was used for {rows[0]['order_id']}")
    return _shipment(rows[0])


def _shipment(row: Row) -> Shipment:
    return Shipment(
        shipment_id=row["shipment_id"],
        order_id=row["order_id"],
        carrier=row["carrier"],
        tracking_code=row["tracking_code"],
        status=row["status"],
    )
