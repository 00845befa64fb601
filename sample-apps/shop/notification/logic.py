"""The business of notification-service: e-mails that are sent once, and remembered."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable

from shop.chassis.errors import Conflict
from shop.chassis.ports import Database, Row, Transaction
from shop.notification.contract import Email, EmailRequest
from shop.notification.letters import letter
from shop.notification.relay import Relay

_log = logging.getLogger("shop.notification")


class NotificationLogic:
    """E-mails in a database and at a relay; implements `contract.Notifications`. `clock` gives
    nanoseconds since 1970."""

    def __init__(
        self,
        database: Database,
        relay: Relay,
        *,
        clock: Callable[[], int] = time.time_ns,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._database = database
        self._relay = relay
        self._clock = clock
        self._new_id = new_id

    def send(self, request: EmailRequest, idempotency_key: str) -> Email:
        """Hand it to the relay; the same key sends once. Raises `Invalid` for a template that
        there is not, `Conflict` for a key of another order, `DependencyError` from the relay."""
        ready = letter(request)
        with self._database.transaction() as transaction:
            known = _by_key(transaction, request.order_id, idempotency_key)
        if known is not None:
            _log.info("%s about %s was sent before", request.template, request.order_id)
            return known
        # Outside of any transaction, so that a slow relay keeps no connection. Should this process
        # die before the row is written, the next attempt comes with the same key, and the relay
        # knows it.
        self._relay.deliver(ready, idempotency_key)
        with self._database.transaction() as transaction:
            transaction.execute(
                "INSERT INTO emails (email_id, order_id, template, idempotency_key, "
                "sent_unix_nano) VALUES (:email_id, :order_id, :template, :idempotency_key, "
                ":sent_unix_nano) ON CONFLICT (idempotency_key) DO NOTHING",
                email_id=f"email-{self._new_id()}",
                order_id=request.order_id,
                template=request.template,
                idempotency_key=idempotency_key,
                sent_unix_nano=self._clock(),
            )
            sent = _by_key(transaction, request.order_id, idempotency_key)
        assert sent is not None
        _log.info("sent %s about %s", request.template, request.order_id)
        return sent

    def emails(self, order_id: str) -> list[Email]:
        """What was sent about an order, oldest first."""
        with self._database.transaction() as transaction:
            rows = transaction.execute(
                "SELECT email_id, order_id, template FROM emails WHERE order_id = :order_id "
                "ORDER BY sent_unix_nano, email_id",
                order_id=order_id,
            )
        return [_email(row) for row in rows]


def _by_key(transaction: Transaction, order_id: str, idempotency_key: str) -> Email | None:
    rows = transaction.execute(
        "SELECT email_id, order_id, template FROM emails WHERE idempotency_key = :idempotency_key",
        idempotency_key=idempotency_key,
    )
    if not rows:
        return None
    if rows[0]["order_id"] != order_id:
        raise Conflict(f"the key {idempotency_key!r} was used for {rows[0]['order_id']}")
    return _email(rows[0])


def _email(row: Row) -> Email:
    return Email(
        email_id=row["email_id"], order_id=row["order_id"], template=row["template"], status="sent"
    )
