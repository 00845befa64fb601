"""The outbox: an event is stored with the change it tells of, then published, then forgotten.

So neither exists without the other, whenever the process ends or the broker is away. An event may
be published twice, with the same id.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opentelemetry import context, propagate
from opentelemetry.instrumentation.utils import suppress_instrumentation

from shop.chassis.errors import DependencyError
from shop.chassis.ports import Database, Event, Events, Transaction

_log = logging.getLogger("shop.order.outbox")


class Outbox:
    """The events of order-service. `clock` gives seconds since 1970."""

    def __init__(
        self, database: Database, events: Events, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._events = events
        self._clock = clock

    def store(
        self, transaction: Transaction, topic: str, type: str, key: str, data: Mapping[str, Any]
    ) -> tuple[str, Event]:
        """Keep an event, with the trace it belongs to; hand what this returns to `publish` once
        the transaction is over."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        event = Event(type=type, key=key, data=data, event_id=uuid.uuid4().hex)
        transaction.execute(
            "INSERT INTO order_outbox (event_id, topic, type, key, data, trace, stored_unix_ms)"
            " VALUES (:event_id, :topic, :type, :key, :data, :trace, :now)",
            event_id=event.event_id,
            topic=topic,
            type=type,
            key=key,
            data=json.dumps(data, separators=(",", ":")),
            trace=json.dumps(carrier),
            now=int(self._clock() * 1000),
        )
        return topic, event

    def publish(self, stored: Sequence[tuple[str, Event]]) -> None:
        """Publish what was just stored. When the broker does not answer, that is no error: the
        events stay, and `sweep` brings them later."""
        for topic, event in stored:
            try:
                self._events.publish(topic, event)
                self._forget(event)
            except DependencyError as error:
                _log.warning("%s of %s stays in the outbox: %s", event.type, event.key, error)
                return

    def sweep(self, older_than_seconds: float = 2.0) -> int:
        """Publish what has been lying about, oldest first, until the broker fails to answer;
        returns how many. Each continues the trace in which it was stored."""
        with suppress_instrumentation(), self._database.transaction() as transaction:
            rows = transaction.execute(
                "SELECT event_id, topic, type, key, data, trace FROM order_outbox"
                " WHERE stored_unix_ms <= :before ORDER BY stored_unix_ms LIMIT 100",
                before=int((self._clock() - older_than_seconds) * 1000),
            )
        for published, row in enumerate(rows):
            event = Event(row["type"], row["key"], json.loads(row["data"]), row["event_id"])
            token = context.attach(propagate.extract(json.loads(row["trace"])))
            try:
                self._events.publish(row["topic"], event)
                self._forget(event)
            except DependencyError as error:
                _log.warning("%d events wait for the broker: %s", len(rows) - published, error)
                return published
            finally:
                context.detach(token)
        return len(rows)

    def _forget(self, event: Event) -> None:
        with self._database.transaction() as transaction:
            transaction.execute(
                "DELETE FROM order_outbox WHERE event_id = :event_id", event_id=event.event_id
            )
