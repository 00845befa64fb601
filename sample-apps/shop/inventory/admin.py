"""One-off tasks of inventory-service: `python -m shop admin inventory restock`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shop.chassis.chassis import Chassis
from shop.inventory.logic import InventoryLogic
from shop.inventory.tables import SCHEMA


def restock(chassis: Chassis) -> str:
    """Fill the stock up again; returns what was done, in words."""
    database = chassis.database(SCHEMA)
    try:
        filled = InventoryLogic(database, chassis.faults).restock()
    finally:
        database.close()
    return f"restocked {filled} products"


TASKS: Mapping[str, Callable[[Chassis], str]] = {"restock": restock}
