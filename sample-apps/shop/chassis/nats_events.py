"""The transport over NATS JetStream: a stream per topic, durable consumers per group."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError
from typing import Any, TypeVar
from urllib.parse import quote

import nats
import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig

from shop.chassis.errors import DependencyError, DependencyTimeout, DependencyUnavailable
from shop.chassis.event_loop import EventLoop
from shop.chassis.message_transport import (
    BROKER,
    DEAD_AFTER_ATTEMPTS,
    DEAD_FROM_GROUP,
    DEAD_SUFFIX,
    MAX_ATTEMPTS,
    MAX_BODY_BYTES,
    Lag,
    Message,
    Received,
)
from shop.chassis.nats_feed import (
    KEY,
    MESSAGE_ID,
    PARTITIONS,
    TYPE,
    NatsFeed,
    partition_of,
    stream_of,
    subject_of,
)

T = TypeVar("T")

LEASE_SECONDS = 30.0
TIMEOUT_SECONDS = 2.0
SEND_ATTEMPTS = 3
SEND_PAUSE_SECONDS = 0.1
KEEP_SECONDS = 3600.0
MAX_TOPIC_MESSAGES = 1_000_000
REMEMBER_IDS_SECONDS = 120.0


class NatsTransport:
    """JetStream at this address. A handler has `lease_seconds` before its message goes to
    somebody else. An attempt is a delivery here: what is given back when a process stops counts
    as one. `sleep` pauses between attempts to send."""

    system = "nats"

    def __init__(
        self,
        url: str,
        *,
        lease_seconds: float = LEASE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = url
        self._lease_seconds = lease_seconds
        self._sleep = sleep
        self._loop = EventLoop("nats")
        self._connecting = asyncio.Lock()
        self._opening = asyncio.Lock()
        self._client: Client | None = None
        self._jetstream: JetStreamContext | None = None
        self._streams: set[str] = set()
        self._feeds: dict[tuple[str, str], NatsFeed] = {}

    def send(self, topic: str, message: Message) -> None:
        if len(message.body.encode()) > MAX_BODY_BYTES:
            raise DependencyError(BROKER, f"a message may have {MAX_BODY_BYTES} bytes")
        for attempt in range(1, SEND_ATTEMPTS + 1):
            try:
                self._run(lambda: self._send(topic, message))
            except (DependencyUnavailable, DependencyTimeout):
                # Sending twice is harmless: the stream knows the id of the message.
                if attempt == SEND_ATTEMPTS:
                    raise
                self._sleep(SEND_PAUSE_SECONDS * attempt)
            else:
                return

    def receive(self, topic: str, group: str, max_messages: int) -> Sequence[Received]:
        async def work() -> Sequence[Received]:
            feed = await self._feed(topic, group)
            try:
                return await self._alive(topic, group, await feed.receive(max_messages))
            except nats.errors.Error:
                # The consumers may be gone, as with a server that lost its files: begin anew.
                self._feeds.pop((topic, group), None)
                self._streams.discard(topic)
                await feed.close()
                raise

        try:
            return self._translated(lambda: self._loop.run_until_cancelled(work))
        except CancelledError:
            return []

    def acknowledge(self, topic: str, group: str, received: Sequence[Received]) -> None:
        self._run(lambda: self._settle(received, b"+ACK"))

    def retry(
        self, topic: str, group: str, received: Sequence[Received], delay_seconds: float
    ) -> None:
        async def work() -> None:
            delay = json.dumps({"delay": int(delay_seconds * 1e9)}).encode()
            for one in received:
                if one.attempt < MAX_ATTEMPTS or topic.endswith(DEAD_SUFFIX):
                    await self._settle([one], b"-NAK " + delay)
                else:
                    await self._bury(topic, group, one)
                    await self._settle([one], b"+TERM")

        self._run(work)

    def give_back(self, topic: str, group: str, received: Sequence[Received]) -> None:
        self._run(lambda: self._settle(received, b"-NAK"))

    def lags(self, groups: Sequence[tuple[str, str]]) -> Sequence[Lag]:
        async def work() -> Sequence[Lag]:
            return [await (await self._feed(*group)).lag() for group in groups]

        return self._run(work)

    def interrupt(self) -> None:
        self._loop.cancel()

    def close(self) -> None:
        self._loop.stop(self._disconnect)

    def _run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            return self._translated(lambda: self._loop.run(work))
        except CancelledError as error:
            raise DependencyUnavailable(BROKER, "events are stopped") from error

    def _translated(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except (TimeoutError, nats.errors.TimeoutError) as error:
            raise DependencyTimeout(BROKER, "the broker does not answer") from error
        except (nats.errors.Error, OSError) as error:
            raise DependencyUnavailable(BROKER, f"no way to the broker: {error}") from error

    async def _send(self, topic: str, message: Message) -> None:
        jetstream = await self._connected()
        await self._ensure_stream(jetstream, topic)
        dead_group = message.headers.get(DEAD_FROM_GROUP, "")
        await jetstream.publish(
            subject_of(topic, partition_of(message)),
            message.body.encode(),
            TIMEOUT_SECONDS,
            headers={
                **message.headers,
                # Two groups may give up the same message: both are kept.
                "Nats-Msg-Id": quote(f"{message.type} {message.message_id} {dead_group}"),
                MESSAGE_ID: quote(message.message_id),
                TYPE: quote(message.type),
                KEY: quote(message.key),
            },
        )

    async def _bury(self, topic: str, group: str, received: Received) -> None:
        message = received.message
        headers = {
            **message.headers,
            DEAD_FROM_GROUP: group,
            DEAD_AFTER_ATTEMPTS: str(received.attempt),
        }
        await self._send(
            topic + DEAD_SUFFIX,
            Message(message.message_id, message.type, message.key, message.body, headers),
        )

    async def _alive(
        self, topic: str, group: str, received: Sequence[Received]
    ) -> Sequence[Received]:
        """Without those whose consumer died with them every time, so that nobody said that they
        failed: they are set aside."""
        alive: list[Received] = []
        for one in received:
            if one.attempt <= MAX_ATTEMPTS or topic.endswith(DEAD_SUFFIX):
                alive.append(one)
            else:
                await self._bury(topic, group, one)
                await self._settle([one], b"+TERM")
        return alive

    async def _settle(self, received: Sequence[Received], verdict: bytes) -> None:
        await self._connected()
        assert self._client is not None
        for one in received:
            # A request: the answer says that the server has noted it.
            await self._client.request(one.receipt, verdict, TIMEOUT_SECONDS)

    async def _feed(self, topic: str, group: str) -> NatsFeed:
        jetstream = await self._connected()
        async with self._opening:
            feed = self._feeds.get((topic, group))
            if feed is None:
                await self._ensure_stream(jetstream, topic)
                feed = NatsFeed(jetstream, topic, group, self._lease_seconds)
                await feed.open()
                self._feeds[topic, group] = feed
            return feed

    async def _ensure_stream(self, jetstream: JetStreamContext, topic: str) -> None:
        if topic in self._streams:
            return
        await jetstream.add_stream(
            StreamConfig(
                name=stream_of(topic),
                subjects=[subject_of(topic, partition) for partition in range(PARTITIONS)],
                retention=RetentionPolicy.LIMITS,
                storage=StorageType.FILE,
                discard=DiscardPolicy.OLD,
                max_msgs=MAX_TOPIC_MESSAGES,
                max_age=KEEP_SECONDS,
                duplicate_window=REMEMBER_IDS_SECONDS,
            )
        )
        self._streams.add(topic)

    async def _connected(self) -> JetStreamContext:
        async with self._connecting:
            if self._jetstream is None:
                self._client = await asyncio.wait_for(
                    nats.connect(
                        self._url,
                        error_cb=self._report,
                        reconnected_cb=self._reconnected,
                        reconnect_time_wait=0.2,
                        max_reconnect_attempts=-1,
                        connect_timeout=2,
                    ),
                    TIMEOUT_SECONDS,
                )
                self._jetstream = self._client.jetstream(timeout=TIMEOUT_SECONDS)
            if self._client is not None and not self._client.is_connected:
                # It would keep what is sent and send it later; who calls wants to know now.
                raise nats.errors.ConnectionReconnectingError
            return self._jetstream

    async def _report(self, error: Exception) -> None:
        """Whoever connects first is told at once that it failed; the client would try for ever.
        Later every call reports its own failure, and the client's reports would say it twice."""
        if self._client is None:
            raise error

    async def _reconnected(self) -> None:
        # The server may have come back without what it kept in memory only.
        self._streams.clear()
        for feed in self._feeds.values():
            feed.pull_again()

    async def _disconnect(self) -> None:
        for feed in self._feeds.values():
            await feed.close()
        if self._client is not None:
            # It trips over a connection that the server has dropped.
            with contextlib.suppress(OSError):
                await self._client.close()
