"""The fault `shipping-shared-database`: shipping-service reads and writes order-service's tables.

Every other service reaches a table through the service that owns it. Here two of them write
`orders`, and neither can change it any more without asking the other.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from shop.chassis.database import SqlDatabase
from shop.chassis.ports import Database, Faults
from shop.chassis.settings import Settings

FAULT = "shipping-shared-database"

_log = logging.getLogger("shop.shipping")


def order_database(settings: Settings) -> Callable[[], Database] | None:
    """What opens order-service's database, as this service's settings know it; None if they
    don't. Its tables are order-service's to make."""
    if not settings.order_database_url:
        return None
    theirs = replace(
        settings,
        service_name="order-service",
        database_url=settings.order_database_url,
        database_pool_size=2,
    )
    return lambda: SqlDatabase(theirs, ())


class OrderTables:
    """A detour. The database is opened at the first booking with the fault on, and closed at the
    first one without it. Where `open_database` is None, nothing happens, and the log says so."""

    def __init__(self, faults: Faults, open_database: Callable[[], Database] | None) -> None:
        self._faults = faults
        self._open_database = open_database
        self._lock = threading.Lock()
        self._database: Database | None = None

    def before_booking(self, order_id: str) -> None:
        """Close what the fault has left open, once it is off."""
        if self._database is not None and self._faults.active(FAULT) is None:
            self.close()

    def after_booking(self, order_id: str, tracking_code: str) -> None:
        """Write the tracking code to the order, past its owner."""
        if self._faults.active(FAULT) is None:
            return
        database = self._opened()
        if database is None:
            _log.warning("SHOP_ORDER_DATABASE_URL is not set: %s does nothing", FAULT)
            return
        self._faults.acted(FAULT)
        with database.transaction() as transaction:
            transaction.execute(
                "UPDATE orders SET tracking_code = :tracking_code WHERE order_id = :order_id",
                tracking_code=tracking_code,
                order_id=order_id,
            )
            transaction.execute(
                "SELECT status, tracking_code FROM orders WHERE order_id = :order_id",
                order_id=order_id,
            )

    def close(self) -> None:
        """Close the database if it is open."""
        with self._lock:
            database, self._database = self._database, None
        if database is not None:
            database.close()

    def _opened(self) -> Database | None:
        with self._lock:
            if self._database is None and self._open_database is not None:
                self._database = self._open_database()
            return self._database
