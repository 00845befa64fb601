"""Events over any broker: who handles what, on which thread, and what happens when it fails."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from shop.chassis.errors import DependencyError, Invalid
from shop.chassis.message_spans import MessageSpans
from shop.chassis.message_transport import (
    MAX_ATTEMPTS,
    Lag,
    Message,
    Received,
    Transport,
    is_group,
    is_topic,
)
from shop.chassis.ports import Delivery, Event, Events
from shop.chassis.settings import Settings

# Handed out together to save round trips, but only to who is quick: a slow consumer would sit on
# what another instance could do. It asks for one at a time, and gives the rest back.
PREFETCH = 16
HOLD_SECONDS = 0.5
# Acknowledged together, but never much later than done.
ACKNOWLEDGE_SECONDS = 0.05
RETRY_SECONDS = 0.2
RETRY_MAX_SECONDS = 5.0
RECONNECT_MAX_SECONDS = 2.0
# Within the leases of the brokers.
SETTLE_SECONDS = 20.0
LAG_SECONDS = 0.2

_log = logging.getLogger("shop.messaging")


def open_events(settings: Settings) -> Events:
    """The events of this process, by `settings.broker`: `http://host:port` is the embedded
    broker, `nats://host:port` JetStream, `local` a queue in memory, `local:///path` one in a
    file. Connects when first used. Raises `Invalid` for another address."""
    scheme = urlsplit(settings.broker).scheme or settings.broker
    if scheme in ("http", "https"):
        from shop.chassis.http_events import HttpTransport

        return BrokerEvents(HttpTransport(settings.broker))
    if scheme == "nats":
        from shop.chassis.nats_events import NatsTransport

        return BrokerEvents(NatsTransport(settings.broker))
    if scheme == "local":
        from shop.chassis.local_events import LocalTransport

        # A bare `local` is all path to urlsplit, and names no file.
        path = urlsplit(settings.broker).path.removeprefix("local")
        return BrokerEvents(LocalTransport(Path(path) if path else None))
    raise Invalid(f"no such broker: {settings.broker!r}; say http://…, nats://… or local")


@dataclass(frozen=True, slots=True)
class _Subscription:
    topic: str
    group: str
    handle: Callable[[Sequence[Received]], None]
    types: frozenset[str]
    max_events: int
    is_batch: bool


class BrokerEvents:
    """Implements `Events` over a transport. `stop` ends receiving, lets the handlers in hand
    finish and closes the transport: publish nothing after it. `retry_seconds`
    is the first pause after a failure, the later ones double; `jitter` gives 0 to 1."""

    def __init__(
        self,
        transport: Transport,
        *,
        retry_seconds: float = RETRY_SECONDS,
        jitter: Callable[[], float] = random.random,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        self._transport = transport
        self._retry_seconds = retry_seconds
        self._jitter = jitter
        self._subscriptions: list[_Subscription] = []
        self._threads: list[threading.Thread] = []
        self._is_started = False
        self._stopping = threading.Event()
        self._spans = MessageSpans(transport.system, self._lags, tracer_provider, meter_provider)
        self._last_lags: tuple[float, Sequence[tuple[str, str, Lag]]] = (-LAG_SECONDS, [])

    def publish(self, topic: str, event: Event) -> None:
        _check(is_topic(topic), topic)
        message_id = event.event_id or uuid.uuid4().hex
        body = json.dumps(dict(event.data), separators=(",", ":"))
        with self._spans.sending(topic, message_id, event.type) as headers:
            self._transport.send(topic, Message(message_id, event.type, event.key, body, headers))

    def subscribe(
        self,
        topic: str,
        group: str,
        handler: Callable[[Delivery], None],
        *,
        types: Collection[str] = (),
    ) -> None:
        def handle(received: Sequence[Received]) -> None:
            (one,) = received
            with self._spans.processing(topic, group, one), _logged(topic, group, received):
                handler(_delivery(topic, group, one))

        self._add(_Subscription(topic, group, handle, frozenset(types), PREFETCH, False))

    def subscribe_batches(
        self,
        topic: str,
        group: str,
        handler: Callable[[Sequence[Delivery]], None],
        *,
        max_events: int = 20,
    ) -> None:
        def handle(received: Sequence[Received]) -> None:
            span = self._spans.processing_batch(topic, group, received)
            with span, _logged(topic, group, received):
                handler([_delivery(topic, group, one) for one in received])

        self._add(_Subscription(topic, group, handle, frozenset(), max_events, True))

    def start(self) -> None:
        self._is_started = True
        for subscription in self._subscriptions:
            self._run(subscription)

    def stop(self) -> None:
        self._stopping.set()
        self._transport.interrupt()
        for thread in self._threads:
            thread.join()
        self._transport.close()

    def _add(self, subscription: _Subscription) -> None:
        _check(is_topic(subscription.topic), subscription.topic)
        _check(is_group(subscription.group), subscription.group)
        if any(
            (other.topic, other.group) == (subscription.topic, subscription.group)
            for other in self._subscriptions
        ):
            # Each would acknowledge, unseen, what the other waits for.
            raise Invalid(f"{subscription.group} listens to {subscription.topic} already")
        self._subscriptions.append(subscription)
        if self._is_started:
            self._run(subscription)

    def _run(self, subscription: _Subscription) -> None:
        thread = threading.Thread(
            target=self._receive_all,
            args=(subscription,),
            name=f"{subscription.group} {subscription.topic}",
            daemon=True,
        )
        self._threads.append(thread)
        thread.start()

    def _receive_all(self, subscription: _Subscription) -> None:
        topic, group = subscription.topic, subscription.group
        failures = 0
        at_once = subscription.max_events if subscription.is_batch else 1
        while not self._stopping.is_set():
            try:
                received = self._transport.receive(topic, group, at_once)
                if received and not subscription.is_batch:
                    is_quick = self._handle_all(subscription, received)
                    at_once = min(subscription.max_events, at_once * 2) if is_quick else 1
                elif received:
                    self._handle_all(subscription, received)
            except DependencyError as error:
                # What was done but not acknowledged comes again: at least once.
                failures += 1
                if failures == 1:
                    _log.warning("%s cannot reach the topic %s: %s", group, topic, error)
                self._stopping.wait(self._pause(failures, RETRY_SECONDS, RECONNECT_MAX_SECONDS))
                continue
            if failures:
                _log.info("%s reaches the topic %s again", group, topic)
            failures = 0

    def _handle_all(self, subscription: _Subscription, received: Sequence[Received]) -> bool:
        """Handle in order; whether there was time for all. After a failure the later ones of its
        key go back, so that they stay behind it; when the time is up or the process stops, all
        that are left."""
        topic, group = subscription.topic, subscription.group
        deadline = time.monotonic() + HOLD_SECONDS
        acknowledged_at = time.monotonic()
        done: list[Received] = []
        failed_keys: set[str] = set()
        given_back: list[Received] = []
        owed: list[Callable[[], None]] = []
        for part in _parts(subscription, received):
            if self._stopping.is_set() or time.monotonic() > deadline:
                given_back += part
                continue
            if any(one.message.key in failed_keys for one in part):
                given_back += part
                continue
            if not subscription.types or part[0].message.type in subscription.types:
                try:
                    subscription.handle(part)
                except Exception:
                    failed_keys |= {one.message.key for one in part} - {""}
                    owed.append(partial(self._retry, topic, group, part))
                    self._settle(owed)
                    continue
            done += part
            if time.monotonic() - acknowledged_at > ACKNOWLEDGE_SECONDS:
                owed.append(partial(self._transport.acknowledge, topic, group, done))
                self._settle(owed)
                acknowledged_at = time.monotonic()
                done = []
        if done:
            owed.append(partial(self._transport.acknowledge, topic, group, done))
        if given_back:
            owed.append(partial(self._transport.give_back, topic, group, given_back))
        is_quick = time.monotonic() <= deadline
        self._settle_at_last(owed)
        return is_quick

    def _settle(self, owed: list[Callable[[], None]]) -> None:
        """Tell the broker what it has not been told yet. While it is away, that stays owed."""
        try:
            while owed:
                owed[0]()
                del owed[0]
        except DependencyError:
            return

    def _settle_at_last(self, owed: list[Callable[[], None]]) -> None:
        """As `_settle`, with patience: a broker that comes back soon still knows the leases, and
        then nothing is handled twice. Raises `DependencyError` when it does not come back."""
        give_up_at = time.monotonic() + SETTLE_SECONDS
        failures = 0
        while owed:
            try:
                owed[0]()
                del owed[0]
            except DependencyError:
                failures += 1
                if self._stopping.is_set() or time.monotonic() > give_up_at:
                    raise
                self._stopping.wait(self._pause(failures, RETRY_SECONDS, RECONNECT_MAX_SECONDS))

    def _retry(self, topic: str, group: str, part: Sequence[Received]) -> None:
        attempt = max(one.attempt for one in part)
        delay = self._pause(attempt, self._retry_seconds, RETRY_MAX_SECONDS)
        self._transport.retry(topic, group, part, delay)

    def _pause(self, failures: int, first: float, longest: float) -> float:
        # Half of it is chance, so that those who failed together do not come back together.
        whole = min(longest, first * 2.0 ** min(failures - 1, 10))
        return whole * (0.5 + 0.5 * self._jitter())

    def _lags(self) -> Sequence[tuple[str, str, Lag]]:
        if not self._is_started or self._stopping.is_set():
            return []
        asked_at, lags = self._last_lags
        # Two gauges are read one after the other: they are told the same.
        if time.monotonic() - asked_at > LAG_SECONDS:
            groups = [(one.topic, one.group) for one in self._subscriptions]
            try:
                found = self._transport.lags(groups)
            except DependencyError:
                # A gap in the metric says it: nobody knows while the broker is away.
                found = []
            lags = [(*group, lag) for group, lag in zip(groups, found, strict=False)]
            self._last_lags = (time.monotonic(), lags)
        return lags


def _parts(
    subscription: _Subscription, received: Sequence[Received]
) -> Sequence[Sequence[Received]]:
    """What is handled together. A batch that failed comes again one by one, so that a poisoned
    event takes no other with it."""
    if not subscription.is_batch:
        return [[one] for one in received]
    fresh = [one for one in received if one.attempt == 1]
    again = [[one] for one in received if one.attempt > 1]
    return [*again, fresh] if fresh else again


def _delivery(topic: str, group: str, received: Received) -> Delivery:
    message = received.message
    event = Event(message.type, message.key, json.loads(message.body), message.message_id)
    return Delivery(event, topic, group, received.attempt, received.published_unix_nano)


def _check(is_name: bool, name: str) -> None:
    if not is_name:
        raise Invalid(f"{name!r} is no name of a topic or group: use a-z, 0-9, - and _")


@contextmanager
def _logged(topic: str, group: str, received: Sequence[Received]) -> Iterator[None]:
    """Say in the log, inside the span, that a handler failed and what comes next."""
    try:
        yield
    except Exception as error:
        attempt = max(one.attempt for one in received)
        what_next = "it is set aside" if attempt >= MAX_ATTEMPTS else "it comes again"
        _log.warning(
            "%s failed at attempt %d of an event of %s, %s: %s",
            group,
            attempt,
            topic,
            what_next,
            error,
        )
        raise
