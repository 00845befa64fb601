"""The bulkhead: a limit on the calls to one dependency, so that it cannot take every thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider

from shop.chassis.errors import BulkheadFull


class Bulkhead:
    """Counts the calls under way to one dependency. Thread-safe."""

    def __init__(self, dependency: str, meter_provider: MeterProvider | None = None) -> None:
        self._dependency = dependency
        self._under_way = 0
        self._changed = threading.Condition()
        meter = metrics.get_meter("shop.bulkhead", meter_provider=meter_provider)
        self._rejections = meter.create_counter(
            "shop.bulkhead.rejections",
            unit="{call}",
            description="Calls not made because too many were under way.",
        )
        self._calls = meter.create_up_down_counter(
            "shop.bulkhead.calls", unit="{call}", description="Calls under way."
        )

    @contextmanager
    def place(self, calls: int, wait_seconds: float) -> Iterator[None]:
        """Hold one of `calls` places, waiting at most `wait_seconds` for it. Raises
        `BulkheadFull` when none comes free. The limit may differ from call to call."""
        self._enter(calls, wait_seconds)
        attributes = {"shop.dependency": self._dependency}
        self._calls.add(1, attributes)
        try:
            yield
        finally:
            self._calls.add(-1, attributes)
            with self._changed:
                self._under_way -= 1
                self._changed.notify()

    def _enter(self, calls: int, wait_seconds: float) -> None:
        until = time.monotonic() + wait_seconds
        with self._changed:
            while self._under_way >= calls:
                left = until - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            else:
                self._under_way += 1
                return
        attributes = {"shop.dependency": self._dependency}
        self._rejections.add(1, attributes)
        trace.get_current_span().add_event(
            "bulkhead.rejected", attributes | {"shop.bulkhead.calls": calls}
        )
        raise BulkheadFull(
            self._dependency, f"{calls} calls to {self._dependency} are under way, no place is free"
        )
