"""One-off tasks of payment-service: `python -m shop admin payment reindex`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shop.chassis.chassis import Chassis
from shop.payment.history import CardHistory
from shop.payment.tables import SCHEMA


def reindex(chassis: Chassis) -> str:
    """Make the index of the card history anew; returns what was done, in words."""
    database = chassis.database(SCHEMA)
    try:
        CardHistory(database).reindex()
    finally:
        database.close()
    return "made the index of card_history anew"


TASKS: Mapping[str, Callable[[Chassis], str]] = {"reindex": reindex}
