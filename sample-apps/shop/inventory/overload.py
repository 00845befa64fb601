"""The fault `order-retry-storm`, its failing half: reservations are turned away for want of room.

The other half is order-service, which then asks again and again without a pause.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from shop.chassis.errors import DependencyUnavailable
from shop.chassis.ports import Faults

FAULT = "order-retry-storm"


class Admission:
    """Refuses a share of the calls while the fault is on. `draw` gives numbers in [0, 1)."""

    def __init__(self, faults: Faults, draw: Callable[[], float] = random.random) -> None:
        self._faults = faults
        self._draw = draw

    def __call__(self) -> None:
        """Raises `DependencyUnavailable` (503, worth trying again) for a call that is refused."""
        parameters = self._faults.active(FAULT)
        if parameters is not None and self._draw() < float(parameters["failure_share"]):
            self._faults.acted(FAULT)
            raise DependencyUnavailable(
                "inventory-service", "too many reservations at once; try again later"
            )
