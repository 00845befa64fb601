"""The fault `shipping-cyclic-call`: shipping-service asks order-service about the very order that
order-service waits for it to ship.

    order-service ──POST /v1/shipments──▶ shipping-service
          ▲                                     │
          └──────GET /v1/orders/{order_id}──────┘

It wants to see the order confirmed before it books, which cannot happen while it has not booked.
So it asks, waits, asks once more and goes on: the order's latency has grown, nothing was gained.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from shop.chassis.errors import ShopError
from shop.chassis.ports import CallPolicy, Faults
from shop.order.contract import Order

FAULT = "shipping-cyclic-call"
POLICY = CallPolicy(timeout_seconds=1.0, max_attempts=1)

_log = logging.getLogger("shop.shipping")


class CallBack:
    """A detour. `order` asks order-service for one order; `sleep` takes seconds."""

    def __init__(
        self,
        faults: Faults,
        order: Callable[[str], Order],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._faults = faults
        self._order = order
        self._sleep = sleep

    def before_booking(self, order_id: str) -> None:
        """Ask, and ask again after `milliseconds` unless the order is confirmed."""
        parameters = self._faults.active(FAULT)
        if parameters is None:
            return
        self._faults.acted(FAULT)
        try:
            if self._order(order_id).status != "confirmed":
                self._sleep(float(parameters["milliseconds"]) / 1000)
                self._order(order_id)
        except ShopError as error:
            _log.warning("order-service does not say how %s stands: %s", order_id, error)

    def after_booking(self, order_id: str, tracking_code: str) -> None:
        """Nothing more is asked."""
