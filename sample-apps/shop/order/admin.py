"""One-off tasks of order-service: `python -m shop admin order recover`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from shop.chassis.chassis import Chassis
from shop.order.service import logic_of, open_database


def recover(chassis: Chassis) -> str:
    """Take up the sagas that nobody runs any more and those that could not be undone; returns
    how they ended, in words."""
    database = open_database(chassis)
    logic = logic_of(chassis, database)
    try:
        found = [*logic.abandoned_sagas(of_owner=False), *logic.failed_sagas()]
        ended = Counter(logic.recover(saga_id) or "taken by another" for saga_id in found)
        logic.outbox.sweep(0.0)
    finally:
        logic.close()
        database.close()
    counts = ", ".join(f"{count} {how}" for how, count in sorted(ended.items()))
    return f"took up {len(found)} sagas" + (f": {counts}" if counts else "")


TASKS: Mapping[str, Callable[[Chassis], str]] = {"recover": recover}
