"""The embedded broker over HTTP: topics, groups, leases. It is not traced: it is the wire."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Annotated, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, FiniteFloat

from shop.broker.group_commit import GroupCommit
from shop.broker.topic_store import TopicFull, TopicStore
from shop.chassis.message_transport import (
    DEAD_SUFFIX,
    MAX_BODY_BYTES,
    Message,
    Received,
    is_group,
    is_topic,
)
from shop.chassis.problem import install_problem_handlers

T = TypeVar("T")

PRUNE_SECONDS = 30.0
MAX_WAIT_SECONDS = 30.0
MAX_TOPICS = 200


class Problem(Exception):
    """A refusal, as it goes over HTTP."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code


class WireMessage(BaseModel):
    message_id: str = Field(min_length=1, max_length=200)
    type: str = Field(default="", max_length=200)
    key: str = Field(default="", max_length=200)
    body: str
    headers: dict[str, str] = {}


class Publish(BaseModel):
    messages: list[WireMessage] = Field(min_length=1, max_length=1000)


class Receive(BaseModel):
    """`wait_seconds`: how long the answer may be held back until there is something."""

    max: int = Field(default=1, ge=1, le=500)
    wait_seconds: FiniteFloat = Field(default=0.0, ge=0.0, le=MAX_WAIT_SECONDS)
    lease_seconds: FiniteFloat = Field(default=30.0, gt=0.0, le=3600.0)


Receipt = Annotated[str, Field(pattern=r"^\d{1,18}\.\d{1,9}$")]


class Receipts(BaseModel):
    receipts: list[Receipt] = Field(max_length=500)


class Nack(Receipts):
    """`is_attempt` false: it was never begun, so the delivery does not count."""

    delay_seconds: FiniteFloat = Field(default=0.0, ge=0.0, le=3600.0)
    is_attempt: bool = True


class Topics:
    """The store behind its thread, and who waits for which topic."""

    def __init__(self, path: Path | None, clock: Callable[[], int]) -> None:
        self._commits = GroupCommit(lambda: TopicStore(path, clock))
        self._known: set[str] = set()
        self._waiting: dict[str, dict[str, set[asyncio.Event]]] = {}
        self.is_stopping = False

    async def open(self) -> None:
        """Open the file. Raises what SQLite raises."""
        self._commits.start()
        self._known = set(await self.ask(lambda store: store.topics()))

    async def prune(self) -> None:
        """Prune now and then, until cancelled."""
        while True:
            await self.ask(lambda store: store.prune())
            await asyncio.sleep(PRUNE_SECONDS)

    def close(self) -> None:
        """Write what was asked, close the file."""
        self._commits.stop()

    def stop_waiting(self) -> None:
        """Answer everybody who waits, and let nobody wait any more."""
        self.is_stopping = True
        for topic in list(self._waiting):
            self.wake(topic)

    async def ask(self, function: Callable[[TopicStore], T]) -> T:
        return await asyncio.wrap_future(self._commits.ask(function))

    def check(self, topic: str, group: str = "none") -> None:
        """Raises `Problem` for a name that is none, or one topic too many."""
        for name, is_name in ((topic, is_topic), (group, is_group)):
            if not is_name(name):
                raise Problem(422, "invalid", f"{name!r} is no name: use a-z, 0-9, - and _")
        if topic not in self._known and len(self._known) >= MAX_TOPICS:
            raise Problem(507, "too_many_topics", f"there are {MAX_TOPICS} topics already")
        self._known.add(topic)

    def wake(self, topic: str, group: str = "") -> None:
        """Have those look again who wait for the topic: one group of it, or all."""
        for name, events in self._waiting.get(topic, {}).items():
            if group in ("", name):
                for event in events:
                    event.set()

    @contextlib.contextmanager
    def waiter(self, topic: str, group: str) -> Iterator[asyncio.Event]:
        """An event that is set when something changes for the group."""
        event = asyncio.Event()
        events = self._waiting.setdefault(topic, {}).setdefault(group, set())
        events.add(event)
        try:
            yield event
        finally:
            events.discard(event)


def broker_app(path: Path | None, clock: Callable[[], int] = time.time_ns) -> FastAPI:
    """The broker as an app. Its topics live in this SQLite file, or in memory; it is opened when
    the app starts. Before the server is shut down, call `app.state.topics.stop_waiting()`, or
    those who wait for messages hold it up. `clock` gives unix nanoseconds."""
    topics = Topics(path, clock)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await topics.open()
        pruning = asyncio.create_task(topics.prune())
        try:
            yield
        finally:
            pruning.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pruning
            topics.close()

    app = FastAPI(title="broker", lifespan=lifespan)
    app.state.topics = topics
    install_problem_handlers(app)

    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> JSONResponse:
        return JSONResponse(
            {
                "type": "about:blank",
                "title": error.code.replace("_", " "),
                "status": error.status,
                "code": error.code,
                "detail": str(error),
            },
            status_code=error.status,
            media_type="application/problem+json",
        )

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        await topics.ask(lambda store: None)
        return {"status": "ok"}

    @app.post("/v1/topics/{topic}/messages")
    async def publish(topic: str, wanted: Publish) -> dict[str, int]:
        topics.check(topic)
        for one in wanted.messages:
            if len(one.body.encode()) > MAX_BODY_BYTES:
                raise Problem(
                    413, "too_large", f"the body of a message may have {MAX_BODY_BYTES} bytes"
                )
        messages = [
            Message(one.message_id, one.type, one.key, one.body, one.headers)
            for one in wanted.messages
        ]
        try:
            added = await topics.ask(lambda store: store.publish(topic, messages))
        except TopicFull as error:
            raise Problem(507, "topic_full", str(error)) from error
        topics.wake(topic)
        return {"added": added}

    @app.post("/v1/topics/{topic}/groups/{group}/receive")
    async def receive(topic: str, group: str, wanted: Receive, request: Request) -> JSONResponse:
        topics.check(topic, group)

        def look(store: TopicStore) -> tuple[list[Received], float | None, bool]:
            before = store.set_aside
            store.ensure_group(topic, group)
            received = store.receive(topic, group, wanted.max, wanted.lease_seconds)
            return received, store.seconds_until_ready(topic, group), store.set_aside > before

        deadline = time.monotonic() + wanted.wait_seconds
        gone = asyncio.ensure_future(request.receive())
        try:
            with topics.waiter(topic, group) as changed:
                while True:
                    changed.clear()
                    received, ready, has_dead = await topics.ask(look)
                    if has_dead:
                        topics.wake(topic + DEAD_SUFFIX)
                    left = deadline - time.monotonic()
                    if received or left <= 0 or topics.is_stopping:
                        break
                    woken = asyncio.ensure_future(changed.wait())
                    # Whoever has hung up must not be handed a message: it would wait for the
                    # end of the lease.
                    await asyncio.wait(
                        {woken, gone},
                        timeout=left if ready is None else min(left, ready),
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                    woken.cancel()
                    if gone.done():
                        return JSONResponse({"messages": []})
            if received and gone.done():
                await topics.ask(
                    lambda store: store.give_back(topic, group, [one.receipt for one in received])
                )
                topics.wake(topic, group)
        finally:
            gone.cancel()
        return JSONResponse(
            {
                "messages": [
                    {
                        "message_id": one.message.message_id,
                        "type": one.message.type,
                        "key": one.message.key,
                        "body": one.message.body,
                        "headers": dict(one.message.headers),
                        "receipt": one.receipt,
                        "attempt": one.attempt,
                        "published_unix_nano": one.published_unix_nano,
                    }
                    for one in received
                ]
            }
        )

    @app.post("/v1/topics/{topic}/groups/{group}/ack")
    async def ack(topic: str, group: str, done: Receipts) -> dict[str, int]:
        topics.check(topic, group)
        held = await topics.ask(lambda store: store.acknowledge(topic, group, done.receipts))
        topics.wake(topic, group)
        return {"held": held}

    @app.post("/v1/topics/{topic}/groups/{group}/nack")
    async def nack(topic: str, group: str, failed: Nack) -> dict[str, int]:
        topics.check(topic, group)
        held = await topics.ask(
            lambda store: (
                store.retry(topic, group, failed.receipts, failed.delay_seconds)
                if failed.is_attempt
                else store.give_back(topic, group, failed.receipts)
            )
        )
        topics.wake(topic, group)
        topics.wake(topic + DEAD_SUFFIX)
        return {"held": held}

    @app.get("/v1/lag")
    async def lag() -> dict[str, list[dict[str, str | int | float]]]:
        lags = await topics.ask(lambda store: store.lags())
        return {
            "groups": [
                {
                    "topic": topic,
                    "group": group,
                    "waiting": one.waiting,
                    "in_flight": one.in_flight,
                    "oldest_age_seconds": one.oldest_age_seconds,
                }
                for (topic, group), one in lags.items()
            ]
        }

    @app.get("/v1/topics")
    async def list_topics() -> dict[str, dict[str, int]]:
        return {"messages": await topics.ask(lambda store: store.topics())}

    return app
