"""Members of groups for tests: processes of the shop as far as events go, and what they saw."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from shop.chassis.message_transport import Transport
from shop.chassis.messaging import BrokerEvents
from shop.chassis.ports import Delivery, Event
from tests.shop.calls.seen import Seen
from tests.shop.messaging.brokers import wait_until

FIRST_PAUSE_SECONDS = 0.04


class Notes:
    """What handlers were handed, in order; a handler may be told to fail."""

    def __init__(self, fails: Callable[[Delivery], bool] = lambda _: False) -> None:
        self._fails = fails
        self._lock = threading.Lock()
        self.deliveries: list[Delivery] = []
        self.batches: list[list[Delivery]] = []
        self.handled: list[Delivery] = []

    def handle(self, delivery: Delivery) -> None:
        with self._lock:
            self.deliveries.append(delivery)
        if self._fails(delivery):
            raise RuntimeError(f"cannot handle {delivery.event.data}")
        with self._lock:
            self.handled.append(delivery)

    def handle_batch(self, deliveries: Sequence[Delivery]) -> None:
        with self._lock:
            self.batches.append(list(deliveries))
        for delivery in deliveries:
            self.handle(delivery)

    def numbers(self, key: str = "") -> list[int]:
        """`n` of what was handled, of one key or of all."""
        with self._lock:
            return [one.event.data["n"] for one in self.handled if key in ("", one.event.key)]

    def wait_for(self, count: int, seconds: float = 15.0) -> None:
        wait_until(lambda: len(self.handled) >= count, f"{count} events are handled", seconds)


class House:
    """Opens members over one broker, with telemetry that is looked at, and stops them."""

    def __init__(self, open_transport: Callable[[], Transport], name: str) -> None:
        self._open_transport = open_transport
        self._members: list[BrokerEvents] = []
        self.name = name
        self.seen = Seen()

    def member(self) -> BrokerEvents:
        """Another process, so to speak, of the shop."""
        events = BrokerEvents(
            self._open_transport(),
            retry_seconds=FIRST_PAUSE_SECONDS,
            tracer_provider=self.seen.tracer_provider,
            meter_provider=self.seen.meter_provider,
        )
        self._members.append(events)
        return events

    def close(self) -> None:
        for member in self._members:
            member.stop()
        self.seen.close()


def number(n: int, key: str = "", type_: str = "Numbered") -> Event:
    """An event that is told from others by its number."""
    return Event(type_, key, {"n": n})
