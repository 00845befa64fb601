"""Topics inside the process: the transport of the monolith and of tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from shop.broker.topic_store import TopicFull, TopicStore
from shop.chassis.errors import DependencyError, DependencyUnavailable
from shop.chassis.message_transport import BROKER, MAX_BODY_BYTES, Lag, Message, Received

WAIT_SECONDS = 5.0
PRUNE_SECONDS = 30.0
# Nobody takes over from a dead consumer here: it would be this very process.
LEASE_SECONDS = 24 * 3600.0


class LocalTransport:
    """The topics of the embedded broker without the network, in memory or in a file of this
    process's own. `clock` gives unix nanoseconds."""

    system = "shop_broker"

    def __init__(self, path: Path | None = None, clock: Callable[[], int] = time.time_ns) -> None:
        self._store = TopicStore(path, clock)
        self._changed = threading.Condition()
        self._is_interrupted = False
        self._is_closed = False
        self._pruned_at = -PRUNE_SECONDS
        with self._store.transaction():
            self._store.give_back_all()

    def send(self, topic: str, message: Message) -> None:
        if len(message.body.encode()) > MAX_BODY_BYTES:
            raise DependencyError(BROKER, f"a message may have {MAX_BODY_BYTES} bytes")
        with self._changed:
            if self._is_closed:
                raise DependencyUnavailable(BROKER, "the broker is stopped")
            try:
                with self._store.transaction():
                    self._store.publish(topic, [message])
            except TopicFull as error:
                raise DependencyUnavailable(BROKER, str(error)) from error
            self._changed.notify_all()

    def receive(self, topic: str, group: str, max_messages: int) -> Sequence[Received]:
        deadline = time.monotonic() + WAIT_SECONDS
        with self._changed:
            while not self._is_interrupted:
                self._prune_at_times()
                with self._store.transaction():
                    self._store.ensure_group(topic, group)
                    received = self._store.receive(topic, group, max_messages, LEASE_SECONDS)
                left = deadline - time.monotonic()
                if received or left <= 0:
                    return received
                ready = self._store.seconds_until_ready(topic, group)
                self._changed.wait(left if ready is None else min(left, ready))
        return []

    def acknowledge(self, topic: str, group: str, received: Sequence[Received]) -> None:
        with self._settling():
            self._store.acknowledge(topic, group, [one.receipt for one in received])

    def retry(
        self, topic: str, group: str, received: Sequence[Received], delay_seconds: float
    ) -> None:
        with self._settling():
            self._store.retry(topic, group, [one.receipt for one in received], delay_seconds)

    def give_back(self, topic: str, group: str, received: Sequence[Received]) -> None:
        with self._settling():
            self._store.give_back(topic, group, [one.receipt for one in received])

    def lags(self, groups: Sequence[tuple[str, str]]) -> Sequence[Lag]:
        with self._changed:
            if self._is_closed:
                raise DependencyUnavailable(BROKER, "the broker is stopped")
            known = self._store.lags()
            return [known.get(group, Lag(0, 0, 0.0)) for group in groups]

    def interrupt(self) -> None:
        with self._changed:
            self._is_interrupted = True
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._is_interrupted = True
            self._is_closed = True
            self._changed.notify_all()
            self._store.close()

    def _prune_at_times(self) -> None:
        if time.monotonic() - self._pruned_at > PRUNE_SECONDS:
            with self._store.transaction():
                self._store.prune()
            self._pruned_at = time.monotonic()

    @contextmanager
    def _settling(self) -> Iterator[None]:
        with self._changed:
            if self._is_closed:
                raise DependencyUnavailable(BROKER, "the broker is stopped")
            with self._store.transaction():
                yield
            self._changed.notify_all()
