"""Wanted refunds: promised before the card network is asked, kept until it has given them."""

from __future__ import annotations

from collections.abc import Sequence

from shop.chassis.ports import Transaction


def promise(transaction: Transaction, charge_id: str, order_id: str, now_unix_ms: int) -> None:
    """Twice changes nothing."""
    transaction.execute(
        "INSERT INTO wanted_refunds (charge_id, order_id, tried_unix_ms)"
        " VALUES (:charge_id, :order_id, :now) ON CONFLICT (charge_id) DO NOTHING",
        charge_id=charge_id,
        order_id=order_id,
        now=now_unix_ms,
    )


def give(transaction: Transaction, charge_id: str) -> None:
    """The money is back."""
    transaction.execute(
        "UPDATE charges SET status = 'refunded' WHERE charge_id = :charge_id", charge_id=charge_id
    )
    transaction.execute(
        "DELETE FROM wanted_refunds WHERE charge_id = :charge_id", charge_id=charge_id
    )


def due(transaction: Transaction, before_unix_ms: int) -> Sequence[tuple[str, str]]:
    """Charges and orders whose refunds were last tried before then."""
    rows = transaction.execute(
        "SELECT charge_id, order_id FROM wanted_refunds"
        " WHERE tried_unix_ms <= :before ORDER BY tried_unix_ms LIMIT 100",
        before=before_unix_ms,
    )
    return [(row["charge_id"], row["order_id"]) for row in rows]


def put_last(transaction: Transaction, charge_id: str, now_unix_ms: int) -> None:
    """It was tried in vain; the others have their turn first."""
    transaction.execute(
        "UPDATE wanted_refunds SET tried_unix_ms = :now WHERE charge_id = :charge_id",
        charge_id=charge_id,
        now=now_unix_ms,
    )
