"""Orders and their lines in the database: written once, then only their status changes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from shop.chassis.ports import Row, Transaction
from shop.inventory.contract import Line
from shop.order.contract import Order, OrderRequest

CHECKOUT = "checkout"
QUICK = "quick"

PENDING = "pending"
CONFIRMED = "confirmed"
CANCELLED = "cancelled"

_COLUMNS = "order_id, user_id, saga_id, status, total_cents, currency, failure"


@dataclass(frozen=True, slots=True)
class Placing:
    """How an order was placed: `kind` is checkout or quick; the key is the user's own, and the
    digest tells whether the same key came with another request."""

    kind: str
    idempotency_key: str
    request_digest: str
    created_unix_ms: int


def digest(kind: str, request: OrderRequest) -> str:
    """The same for the same request."""
    return hashlib.sha256(f"{kind} {request.model_dump_json()}".encode()).hexdigest()


def insert(transaction: Transaction, order: Order, placing: Placing) -> bool:
    """Write the order down; false when its user has used the key before."""
    if not transaction.execute(
        "INSERT INTO orders (order_id, user_id, saga_id, kind, status, total_cents, currency,"
        " idempotency_key, request_digest, created_unix_ms) VALUES (:order_id, :user_id,"
        " :saga_id, :kind, :status, :total_cents, :currency, :key, :digest, :created)"
        " ON CONFLICT (user_id, idempotency_key) DO NOTHING RETURNING order_id",
        order_id=order.order_id,
        user_id=order.user_id,
        saga_id=order.saga_id,
        kind=placing.kind,
        status=order.status,
        total_cents=order.total_cents,
        currency=order.currency,
        key=placing.idempotency_key,
        digest=placing.request_digest,
        created=placing.created_unix_ms,
    ):
        return False
    rows = ", ".join(
        f"(:order_id, {position}, :sku_{position}, :quantity_{position})"
        for position in range(len(order.lines))
    )
    values: dict[str, str | int] = {"order_id": order.order_id}
    for position, line in enumerate(order.lines):
        values[f"sku_{position}"] = line.sku
        values[f"quantity_{position}"] = line.quantity
    transaction.execute(
        f"INSERT INTO order_lines (order_id, position, sku, quantity) VALUES {rows}", **values
    )
    return True


def placed_with(transaction: Transaction, user_id: str, key: str) -> tuple[Order, str] | None:
    """The order that this user placed with this key, and the digest of the request."""
    rows = transaction.execute(
        f"SELECT {_COLUMNS}, request_digest FROM orders"
        " WHERE user_id = :user_id AND idempotency_key = :key",
        user_id=user_id,
        key=key,
    )
    if not rows:
        return None
    return _order(rows[0], lines_of(transaction, rows[0]["order_id"])), rows[0]["request_digest"]


def find(transaction: Transaction, order_id: str) -> Order | None:
    rows = transaction.execute(
        f"SELECT {_COLUMNS} FROM orders WHERE order_id = :order_id", order_id=order_id
    )
    return _order(rows[0], lines_of(transaction, order_id)) if rows else None


def lines_of(transaction: Transaction, order_id: str) -> list[Line]:
    rows = transaction.execute(
        "SELECT sku, quantity FROM order_lines WHERE order_id = :order_id ORDER BY position",
        order_id=order_id,
    )
    return [Line(sku=row["sku"], quantity=row["quantity"]) for row in rows]


def newest(transaction: Transaction, user_id: str, limit: int) -> Sequence[Row]:
    """The rows of a user's newest orders, for `with_lines` or `with_lines_one_by_one`."""
    return transaction.execute(
        f"SELECT {_COLUMNS} FROM orders WHERE user_id = :user_id"
        " ORDER BY created_unix_ms DESC, order_id DESC LIMIT :limit",
        user_id=user_id,
        limit=limit,
    )


def with_lines(transaction: Transaction, rows: Sequence[Row]) -> list[Order]:
    """The orders of these rows; all lines come with one query."""
    if not rows:
        return []
    ids = {f"id_{position}": row["order_id"] for position, row in enumerate(rows)}
    names = ", ".join(f":{name}" for name in ids)
    lines: dict[str, list[Line]] = {}
    for row in transaction.execute(
        "SELECT order_id, sku, quantity FROM order_lines"
        f" WHERE order_id IN ({names}) ORDER BY order_id, position",
        **ids,
    ):
        line = Line(sku=row["sku"], quantity=row["quantity"])
        lines.setdefault(row["order_id"], []).append(line)
    return [_order(row, lines.get(row["order_id"], [])) for row in rows]


def with_lines_one_by_one(transaction: Transaction, rows: Sequence[Row]) -> list[Order]:
    """The same with a query for each order: what the fault order-n-plus-one is about."""
    return [_order(row, lines_of(transaction, row["order_id"])) for row in rows]


def confirm(transaction: Transaction, order_id: str, tracking_code: str = "") -> bool:
    """Pending becomes confirmed; false when the order was not pending."""
    return bool(
        transaction.execute(
            "UPDATE orders SET status = 'confirmed', tracking_code = :tracking_code"
            " WHERE order_id = :order_id AND status = 'pending' RETURNING order_id",
            order_id=order_id,
            tracking_code=tracking_code,
        )
    )


def cancel(transaction: Transaction, order_id: str, failure: str) -> bool:
    """Pending becomes cancelled; false when the order was not pending."""
    return bool(
        transaction.execute(
            "UPDATE orders SET status = 'cancelled', failure = :failure"
            " WHERE order_id = :order_id AND status = 'pending' RETURNING order_id",
            order_id=order_id,
            failure=failure,
        )
    )


def overdue(transaction: Transaction, before_unix_ms: int) -> list[Order]:
    """Quick orders that are pending since then, oldest first."""
    rows = transaction.execute(
        f"SELECT {_COLUMNS} FROM orders WHERE kind = 'quick' AND status = 'pending'"
        " AND created_unix_ms < :before ORDER BY created_unix_ms LIMIT 100",
        before=before_unix_ms,
    )
    return with_lines(transaction, rows)


def cancel_unreserved(transaction: Transaction, order_id: str, failure: str) -> bool:
    """As `cancel`, but an order that is known to be reserved stays as it is."""
    return bool(
        transaction.execute(
            "UPDATE orders SET status = 'cancelled', failure = :failure"
            " WHERE order_id = :order_id AND status = 'pending' AND is_reserved = 0"
            " RETURNING order_id",
            order_id=order_id,
            failure=failure,
        )
    )


def is_cancelled(transaction: Transaction, order_id: str) -> bool:
    """Whether the order is known and cancelled."""
    return bool(
        transaction.execute(
            "SELECT 1 FROM orders WHERE order_id = :order_id AND status = 'cancelled'",
            order_id=order_id,
        )
    )


def refuse(transaction: Transaction, order_id: str, failure: str) -> None:
    """Cancel an order for which nothing was done, and set its key free: the same request may be
    sent again and then gets a new order."""
    transaction.execute(
        "UPDATE orders SET status = 'cancelled', failure = :failure,"
        " idempotency_key = 'refused ' || order_id"
        " WHERE order_id = :order_id AND status = 'pending'",
        order_id=order_id,
        failure=failure,
    )


def hear(transaction: Transaction, order_id: str, what: str) -> bool:
    """Note that a quick order is_paid or is_reserved (`what`); true when it is both by now. An
    order that is no longer pending notes nothing."""
    assert what in ("is_paid", "is_reserved")
    rows = transaction.execute(
        f"UPDATE orders SET {what} = 1 WHERE order_id = :order_id AND kind = 'quick'"
        " AND status = 'pending' RETURNING is_paid, is_reserved",
        order_id=order_id,
    )
    return bool(rows) and bool(rows[0]["is_paid"]) and bool(rows[0]["is_reserved"])


def _order(row: Row, lines: list[Line]) -> Order:
    return Order(
        order_id=row["order_id"],
        user_id=row["user_id"],
        saga_id=row["saga_id"],
        status=row["status"],
        lines=lines,
        total_cents=row["total_cents"],
        currency=row["currency"],
        failure=row["failure"],
    )
