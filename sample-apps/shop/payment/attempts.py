"""Attempts to take money, written down before the card network is asked about them.

So none is forgotten, whatever dies, and a repeat is known to be one:

    ask ──▶ pending ──▶ (row gone) the network answered: a charge was made, or the card declined
               │
               ▼ the payment is given up, or nobody asks again
           called off ──▶ void   the network has said that it keeps nothing under this key

What was called off stays so: a request that comes late finds it and takes no money.
"""

from __future__ import annotations

from collections.abc import Sequence

from shop.chassis.errors import Conflict, PaymentDeclined
from shop.chassis.ports import Transaction
from shop.payment.contract import ChargeRequest

CALLED_OFF_SAID = "the payment was called off before it was done"


def is_known(transaction: Transaction, key: str) -> bool:
    """Whether the network may have been asked under this key without our knowing the answer."""
    return bool(
        transaction.execute("SELECT 1 FROM charge_attempts WHERE idempotency_key = :key", key=key)
    )


def begin(transaction: Transaction, request: ChargeRequest, now_unix_ms: int) -> None:
    """Write the attempt down; a repeat renews its time. Raises `PaymentDeclined` when it was
    called off, `Conflict` when the key was used for another charge."""
    told = request.model_dump_json()
    if transaction.execute(
        """
        INSERT INTO charge_attempts (idempotency_key, order_id, request, status, tried_unix_ms)
        VALUES (:key, :order_id, :request, 'pending', :now)
        ON CONFLICT (idempotency_key) DO UPDATE SET tried_unix_ms = :now
        WHERE charge_attempts.status = 'pending' AND charge_attempts.request = :request
        RETURNING idempotency_key
        """,
        key=request.idempotency_key,
        order_id=request.order_id,
        request=told,
        now=now_unix_ms,
    ):
        return
    if transaction.execute(
        "SELECT 1 FROM charge_attempts WHERE idempotency_key = :key AND status = 'pending'",
        key=request.idempotency_key,
    ):
        raise Conflict(f"the key {request.idempotency_key!r} was used for another charge")
    raise PaymentDeclined(CALLED_OFF_SAID)


def end(transaction: Transaction, key: str) -> bool:
    """The network has answered; false when the attempt is no longer pending."""
    return bool(
        transaction.execute(
            "DELETE FROM charge_attempts WHERE idempotency_key = :key AND status = 'pending'"
            " RETURNING idempotency_key",
            key=key,
        )
    )


def call_off(transaction: Transaction, key: str, order_id: str, now_unix_ms: int) -> None:
    """Nothing is to be taken under this key any more, asked or not. Twice changes nothing."""
    transaction.execute(
        """
        INSERT INTO charge_attempts (idempotency_key, order_id, request, status, tried_unix_ms)
        VALUES (:key, :order_id, '', 'called off', :now)
        ON CONFLICT (idempotency_key) DO UPDATE SET status = 'called off'
        WHERE charge_attempts.status = 'pending'
        """,
        key=key,
        order_id=order_id,
        now=now_unix_ms,
    )


def forget(transaction: Transaction, key: str) -> None:
    """There is a charge under this key: whatever is to be done is done with that."""
    transaction.execute("DELETE FROM charge_attempts WHERE idempotency_key = :key", key=key)


def void(transaction: Transaction, key: str) -> None:
    """The network keeps nothing under this key."""
    transaction.execute(
        "UPDATE charge_attempts SET status = 'void' WHERE idempotency_key = :key", key=key
    )


def abandoned(transaction: Transaction, before_unix_ms: int) -> Sequence[tuple[str, str]]:
    """Keys and orders of attempts that are pending since then: nobody asks again."""
    rows = transaction.execute(
        "SELECT idempotency_key, order_id FROM charge_attempts"
        " WHERE status = 'pending' AND tried_unix_ms < :before ORDER BY tried_unix_ms LIMIT 100",
        before=before_unix_ms,
    )
    return [(row["idempotency_key"], row["order_id"]) for row in rows]


def called_off(transaction: Transaction) -> Sequence[tuple[str, str]]:
    """Keys and orders of what the network has yet to void; first what was not tried lately."""
    rows = transaction.execute(
        "SELECT idempotency_key, order_id FROM charge_attempts"
        " WHERE status = 'called off' ORDER BY tried_unix_ms LIMIT 100"
    )
    return [(row["idempotency_key"], row["order_id"]) for row in rows]


def put_last(transaction: Transaction, key: str, now_unix_ms: int) -> None:
    """It was tried in vain; the others have their turn first."""
    transaction.execute(
        "UPDATE charge_attempts SET tried_unix_ms = :now WHERE idempotency_key = :key",
        key=key,
        now=now_unix_ms,
    )
