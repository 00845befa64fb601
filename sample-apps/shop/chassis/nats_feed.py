"""One group's place in a JetStream topic: a durable consumer per partition, pulled together.

JetStream keeps no order among messages of a key once one of them is redelivered. So a topic has
a few partitions, a key belongs to one of them, and a partition's consumer hands out one message
at a time: its next comes when it is acknowledged or set aside. Instances share the partitions.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from collections.abc import Sequence
from urllib.parse import unquote

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import APIError

from shop.chassis.message_transport import DEAD_SUFFIX, Lag, Message, Received

# A failing event holds up its partition while it pauses: enough of them that the others go on.
PARTITIONS = 16
PULL_SECONDS = 20.0

MESSAGE_ID = "shop-message-id"
TYPE = "shop-type"
KEY = "shop-key"
_OWN_HEADERS = {MESSAGE_ID, TYPE, KEY, "Nats-Msg-Id"}


def stream_of(topic: str) -> str:
    """The stream that keeps a topic. Topics are lower-case, so the names cannot meet."""
    return "shop_" + topic.replace(DEAD_SUFFIX, "_DEAD")


def subject_of(topic: str, partition: int) -> str:
    """Where messages of a partition are published."""
    return f"shop.{topic}.{partition}"


def partition_of(message: Message) -> int:
    """Same key, same partition; without a key any."""
    return zlib.crc32((message.key or message.message_id).encode()) % PARTITIONS


class NatsFeed:
    """What one process receives for one group. Lives on the event loop; one caller at a time."""

    def __init__(
        self, jetstream: JetStreamContext, topic: str, group: str, lease_seconds: float
    ) -> None:
        self._jetstream = jetstream
        self._topic = topic
        self._group = group
        self._lease_seconds = lease_seconds
        self._pulls: list[JetStreamContext.PullSubscription] = []
        self._fetches: dict[int, asyncio.Task[list[Msg]]] = {}
        self._keeping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Create the group's consumers unless they exist: they begin at the oldest message."""
        self._pulls = await asyncio.gather(*map(self._bound, range(PARTITIONS)))
        self._keeping = asyncio.create_task(self._keep())

    async def receive(self, max_messages: int) -> Sequence[Received]:
        """What has arrived, or arrives within some seconds. Raises what a pull raises."""
        for partition, pull in enumerate(self._pulls):
            if partition not in self._fetches:
                self._fetches[partition] = asyncio.create_task(pull.fetch(1, PULL_SECONDS))
        await asyncio.wait(self._fetches.values(), return_when=asyncio.FIRST_COMPLETED)
        received: list[Received] = []
        failure: nats.errors.Error | None = None
        for partition, fetch in list(self._fetches.items()):
            if not fetch.done() or len(received) == max_messages:
                continue
            del self._fetches[partition]
            try:
                received += [_received(message) for message in fetch.result()]
            except (asyncio.CancelledError, nats.errors.TimeoutError):
                continue
            except nats.errors.Error as error:
                failure = error
        if failure is not None and not received:
            raise failure
        return received

    def pull_again(self) -> None:
        """After a reconnect: the server has forgotten who waited."""
        for fetch in self._fetches.values():
            fetch.cancel()

    async def close(self) -> None:
        """Give back what arrived and nobody took."""
        if self._keeping is not None:
            self._keeping.cancel()
        for fetch in self._fetches.values():
            fetch.cancel()
        await asyncio.gather(*self._fetches.values(), return_exceptions=True)
        with contextlib.suppress(nats.errors.Error):
            for message in self._held():
                await message.nak()
            for pull in self._pulls:
                await pull.unsubscribe()

    async def lag(self) -> Lag:
        """Asked of the server. Raises what the request raises."""
        lags = await asyncio.gather(*map(self._partition_lag, range(PARTITIONS)))
        return Lag(
            sum(lag.waiting for lag in lags),
            sum(lag.in_flight for lag in lags),
            max(lag.oldest_age_seconds for lag in lags),
        )

    async def _bound(self, partition: int) -> JetStreamContext.PullSubscription:
        name, stream = _consumer_of(self._group, partition), stream_of(self._topic)
        await self._jetstream.add_consumer(
            stream,
            ConsumerConfig(
                durable_name=name,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=self._lease_seconds,
                # Whoever handles a message counts its attempts and sets it aside.
                max_deliver=-1,
                max_ack_pending=1,
                filter_subject=subject_of(self._topic, partition),
            ),
        )
        return await self._jetstream.pull_subscribe_bind(name, stream)

    async def _partition_lag(self, partition: int) -> Lag:
        stream = stream_of(self._topic)
        info = await self._jetstream.consumer_info(stream, _consumer_of(self._group, partition))
        waiting, in_flight = info.num_pending or 0, info.num_ack_pending or 0
        if not waiting and not in_flight:
            return Lag(0, 0, 0.0)
        done = info.ack_floor.stream_seq if info.ack_floor else 0
        oldest = 0.0
        with contextlib.suppress(APIError):  # finished, or aged out, a moment ago
            message = await self._jetstream.get_msg(
                stream, seq=done + 1, subject=subject_of(self._topic, partition), next=True
            )
            if message.time is not None:
                oldest = max(0.0, time.time() - message.time.timestamp())
        return Lag(waiting, in_flight, oldest)

    async def _keep(self) -> None:
        """Renew the lease of what arrived and waits for its turn in this process."""
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            for message in self._held():
                with contextlib.suppress(nats.errors.Error):
                    await message.in_progress()

    def _held(self) -> list[Msg]:
        return [
            message
            for fetch in self._fetches.values()
            if fetch.done() and not fetch.cancelled() and fetch.exception() is None
            for message in fetch.result()
        ]


def _consumer_of(group: str, partition: int) -> str:
    return f"{group}_{partition}"


def _received(message: Msg) -> Received:
    headers = dict(message.headers or {})
    metadata = message.metadata
    return Received(
        Message(
            unquote(headers[MESSAGE_ID]),
            unquote(headers[TYPE]),
            unquote(headers[KEY]),
            message.data.decode(),
            {name: value for name, value in headers.items() if name not in _OWN_HEADERS},
        ),
        message.reply,
        metadata.num_delivered,
        int(metadata.timestamp.timestamp() * 1e9),
    )
