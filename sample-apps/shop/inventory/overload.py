"""The fault `order-retry-storm`, its failing half: reservations are turned away for want of room.

The other half is order-service, which then asks again and again without a pause.
"""

from __future__ import annotations

import random
import threading
from collections import OrderedDict
from collections.abc import Callable

from opentelemetry import trace

from shop.chassis.errors import DependencyUnavailable
from shop.chassis.ports import Faults

FAULT = "order-retry-storm"
STORM_REFUSALS = 3
"""A request that is refused once or twice is retried as it should be; from then on it storms."""
_MOST_REQUESTS = 10_000


class Admission:
    """Refuses a share of the calls while the fault is on. `draw` gives numbers in [0, 1)."""

    def __init__(self, faults: Faults, draw: Callable[[], float] = random.random) -> None:
        self._faults = faults
        self._draw = draw
        self._lock = threading.Lock()
        # Refusals by trace, the oldest traces first.
        self._refusals: OrderedDict[int, int] = OrderedDict()

    def __call__(self) -> None:
        """Raises `DependencyUnavailable` (503, worth trying again) for a call that is refused."""
        parameters = self._faults.active(FAULT)
        if parameters is not None and self._draw() < float(parameters["failure_share"]):
            if self._refusals_of(trace.get_current_span()) == STORM_REFUSALS:
                self._faults.acted(FAULT)
            raise DependencyUnavailable(
                "inventory-service", "too many reservations at once; try again later"
            )

    def _refusals_of(self, span: trace.Span) -> int:
        """How often the request of this span was refused, this time included."""
        trace_id = span.get_span_context().trace_id
        with self._lock:
            refusals = self._refusals[trace_id] = self._refusals.get(trace_id, 0) + 1
            if len(self._refusals) > _MOST_REQUESTS:
                self._refusals.popitem(last=False)
        return refusals
