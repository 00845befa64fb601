"""The business of inventory-service: products, and stock that is set aside and given back."""

from __future__ import annotations

import logging
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from pydantic import ValidationError

from shop.chassis.errors import Conflict, DependencyError, Invalid, NotFound
from shop.chassis.ports import Database, Faults, Row, Transaction
from shop.inventory.contract import Line, Product, Reservation
from shop.inventory.tables import FULL_STOCK

RESERVE_FAILS = "saga-reserve-fails"

_log = logging.getLogger("shop.inventory")


class InventoryLogic:
    """Stock in a database; implements `contract.Inventory`.

    `listing` opens the transaction in which products are listed; it is the database's own unless
    somebody has a reason to look closer at what happens to that connection.
    """

    def __init__(
        self,
        database: Database,
        faults: Faults,
        *,
        listing: Callable[[], AbstractContextManager[Transaction]] | None = None,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._database = database
        self._faults = faults
        self._listing = listing or database.transaction
        self._new_id = new_id

    def products(self, limit: int) -> list[Product]:
        """By sku."""
        with self._listing() as transaction:
            rows = transaction.execute(
                "SELECT sku, name, price_cents, in_stock FROM products ORDER BY sku LIMIT :limit",
                limit=limit,
            )
        return [_product(row) for row in rows]

    def product(self, sku: str) -> Product:
        """Raises `NotFound`."""
        with self._database.transaction() as transaction:
            rows = transaction.execute(
                "SELECT sku, name, price_cents, in_stock FROM products WHERE sku = :sku", sku=sku
            )
        if not rows:
            raise NotFound(f"there is no product {sku!r}")
        return _product(rows[0])

    def reserve(self, order_id: str, lines: Sequence[Line], idempotency_key: str) -> Reservation:
        """All lines or none. The same key gives the same reservation. Raises `Conflict` when
        something is out of stock or the key belongs to another order, `NotFound` for an unknown
        sku, `Invalid` for more of a product than one order may have."""
        reservation_id = f"reservation-{self._new_id()}"
        wanted = _merged(lines)
        with self._database.transaction() as transaction:
            # The key goes in first: whoever comes second with it waits here for the first one.
            if not transaction.execute(
                "INSERT INTO reservations (reservation_id, order_id, idempotency_key, status) "
                "VALUES (:reservation_id, :order_id, :idempotency_key, 'reserved') "
                "ON CONFLICT (idempotency_key) DO NOTHING RETURNING reservation_id",
                reservation_id=reservation_id,
                order_id=order_id,
                idempotency_key=idempotency_key,
            ):
                return _kept(transaction, order_id, idempotency_key)
            # Always in the same order, so that two orders never wait for each other's rows.
            for line in wanted:
                _take(transaction, line)
                transaction.execute(
                    "INSERT INTO reservation_lines (reservation_id, sku, quantity) "
                    "VALUES (:reservation_id, :sku, :quantity)",
                    reservation_id=reservation_id,
                    sku=line.sku,
                    quantity=line.quantity,
                )
            if self._faults.active(RESERVE_FAILS) is not None:
                self._faults.acted(RESERVE_FAILS)
                # Inside the transaction: what was taken from the stock goes back with it.
                refusal = DependencyError(
                    "inventory database",
                    f"the stock ledger does not add up; {order_id} got nothing",
                )
                refusal.is_retryable = False  # It would not add up the next time.
                raise refusal
        _log.info("reserved %d products for %s", len(wanted), order_id)
        return Reservation(
            reservation_id=reservation_id, order_id=order_id, lines=wanted, status="reserved"
        )

    def release(self, reservation_id: str) -> Reservation:
        """Undo a reservation; doing it again changes nothing. Raises `NotFound`."""
        with self._database.transaction() as transaction:
            released = transaction.execute(
                "UPDATE reservations SET status = 'released' "
                "WHERE reservation_id = :reservation_id AND status = 'reserved' "
                "RETURNING reservation_id",
                reservation_id=reservation_id,
            )
            reservation = _reservation(transaction, reservation_id)
            if released:
                for line in reservation.lines:
                    transaction.execute(
                        "UPDATE products SET in_stock = in_stock + :quantity WHERE sku = :sku",
                        sku=line.sku,
                        quantity=line.quantity,
                    )
        if released:
            _log.info("released %s of %s", reservation_id, reservation.order_id)
        return reservation

    def restock(self) -> int:
        """Fill up what has become less than the full stock; returns how many products that
        were."""
        with self._database.transaction() as transaction:
            filled = transaction.execute(
                "UPDATE products SET in_stock = :full WHERE in_stock < :full RETURNING sku",
                full=FULL_STOCK,
            )
        _log.info("restocked %d products", len(filled))
        return len(filled)


def _merged(lines: Sequence[Line]) -> list[Line]:
    """One line for each product, by sku."""
    quantities: Counter[str] = Counter()
    for line in lines:
        quantities[line.sku] += line.quantity
    try:
        return [Line(sku=sku, quantity=quantities[sku]) for sku in sorted(quantities)]
    except ValidationError as error:
        raise Invalid("an order has at most 100 of a product") from error


def _take(transaction: Transaction, line: Line) -> None:
    """Take from the stock of one product in one statement, so that two buyers of the last piece
    cannot both have read that it is there."""
    if transaction.execute(
        "UPDATE products SET in_stock = in_stock - :quantity "
        "WHERE sku = :sku AND in_stock >= :quantity RETURNING in_stock",
        sku=line.sku,
        quantity=line.quantity,
    ):
        return
    rows = transaction.execute("SELECT in_stock FROM products WHERE sku = :sku", sku=line.sku)
    if not rows:
        raise NotFound(f"there is no product {line.sku!r}")
    left = rows[0]["in_stock"]
    raise Conflict(f"{line.sku} is out of stock: {line.quantity} wanted, {left} left")


def _kept(transaction: Transaction, order_id: str, idempotency_key: str) -> Reservation:
    """The reservation that an earlier call with this key made."""
    [row] = transaction.execute(
        "SELECT reservation_id FROM reservations WHERE idempotency_key = :idempotency_key",
        idempotency_key=idempotency_key,
    )
    reservation = _reservation(transaction, row["reservation_id"])
    if reservation.order_id != order_id:
        raise Conflict(f"the key {idempotency_key!r} was used for {reservation.order_id}")
    return reservation


def _reservation(transaction: Transaction, reservation_id: str) -> Reservation:
    rows = transaction.execute(
        "SELECT reservation_id, order_id, status FROM reservations "
        "WHERE reservation_id = :reservation_id",
        reservation_id=reservation_id,
    )
    if not rows:
        raise NotFound(f"there is no reservation {reservation_id!r}")
    lines = transaction.execute(
        "SELECT sku, quantity FROM reservation_lines "
        "WHERE reservation_id = :reservation_id ORDER BY sku",
        reservation_id=reservation_id,
    )
    return Reservation(
        reservation_id=rows[0]["reservation_id"],
        order_id=rows[0]["order_id"],
        lines=[Line(sku=line["sku"], quantity=line["quantity"]) for line in lines],
        status=rows[0]["status"],
    )


def _product(row: Row) -> Product:
    return Product(
        sku=row["sku"],
        name=row["name"],
        price_cents=row["price_cents"],
        in_stock=row["in_stock"],
    )
