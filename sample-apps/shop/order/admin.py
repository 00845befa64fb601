"""One-off tasks of order-service: `python -m shop admin order recover`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shop.chassis.chassis import Chassis
from shop.order.logic import LEASE_SECONDS
from shop.order.saga_store import SagaStore
from shop.order.tables import SCHEMA


def recover(chassis: Chassis) -> str:
    """Have the running service take up the sagas that could not be undone, which it would do
    later or, after many attempts, never; returns what was done, in words."""
    database = chassis.database(SCHEMA)
    store = SagaStore(chassis.settings.instance_id, LEASE_SECONDS)
    try:
        with database.transaction() as transaction:
            reopened = store.reopen_failed(transaction)
    finally:
        database.close()
    return f"gave back {len(reopened)} sagas to be undone"


TASKS: Mapping[str, Callable[[Chassis], str]] = {"recover": recover}
