"""The embedded broker over HTTP: what it answers, when it makes somebody wait, what it costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from shop.broker.app import MAX_TOPICS, broker_app
from shop.chassis.http_events import HttpTransport
from shop.chassis.message_transport import MAX_BODY_BYTES
from shop.chassis.messaging import BrokerEvents
from tests.shop.messaging.brokers import embedded_broker
from tests.shop.messaging.members import Notes, number

PUBLISHERS = 4


@asynccontextmanager
async def broker() -> AsyncIterator[tuple[httpx.AsyncClient, Any]]:
    """A broker in memory and a client of it, without a network."""
    app = broker_app(None)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://broker") as client,
    ):
        yield client, app.state.topics


def with_broker(work: Callable[[httpx.AsyncClient, Any], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with broker() as (client, topics):
            await work(client, topics)

    asyncio.run(run())


def wire(n: int, body: str = "{}") -> dict[str, Any]:
    return {"messages": [{"message_id": f"id-{n}", "key": "k", "body": body}]}


RECEIVE = "/v1/topics/t/groups/g/receive"


def test_messages_go_round_by_publish_receive_nack_and_ack() -> None:
    async def work(client: httpx.AsyncClient, _: Any) -> None:
        answer = await client.post("/v1/topics/t/messages", json=wire(1))
        assert answer.json() == {"added": 1}
        (one,) = (await client.post(RECEIVE, json={})).json()["messages"]
        assert (one["message_id"], one["key"], one["attempt"]) == ("id-1", "k", 1)
        nack = {"receipts": [one["receipt"]], "delay_seconds": 0}
        assert (await client.post("/v1/topics/t/groups/g/nack", json=nack)).json() == {"held": 1}
        (one,) = (await client.post(RECEIVE, json={})).json()["messages"]
        assert one["attempt"] == 2
        (lag,) = (await client.get("/v1/lag")).json()["groups"]
        assert lag.pop("oldest_age_seconds") >= 0
        assert lag == {"topic": "t", "group": "g", "waiting": 0, "in_flight": 1}
        ack = {"receipts": [one["receipt"]]}
        assert (await client.post("/v1/topics/t/groups/g/ack", json=ack)).json() == {"held": 1}
        assert (await client.post("/v1/topics/t/groups/g/ack", json=ack)).json() == {"held": 0}
        assert (await client.get("/v1/topics")).json() == {"messages": {"t": 1}}

    with_broker(work)


def test_whoever_waits_is_answered_when_something_is_published() -> None:
    async def work(client: httpx.AsyncClient, _: Any) -> None:
        waiting = asyncio.create_task(client.post(RECEIVE, json={"wait_seconds": 20}))
        while not (await client.get("/v1/lag")).json()["groups"]:
            await asyncio.sleep(0.01)
        begun = time.monotonic()
        await client.post("/v1/topics/t/messages", json=wire(1))
        assert len((await waiting).json()["messages"]) == 1
        assert time.monotonic() - begun < 5.0

    with_broker(work)


def test_nobody_waits_longer_than_asked_nor_once_the_broker_stops() -> None:
    async def work(client: httpx.AsyncClient, topics: Any) -> None:
        begun = time.monotonic()
        assert (await client.post(RECEIVE, json={"wait_seconds": 0.2})).json() == {"messages": []}
        assert 0.2 <= time.monotonic() - begun < 5.0
        waiting = asyncio.create_task(client.post(RECEIVE, json={"wait_seconds": 20}))
        await asyncio.sleep(0)
        topics.stop_waiting()
        assert (await waiting).json() == {"messages": []}
        assert time.monotonic() - begun < 10.0

    with_broker(work)


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/v1/topics/T/messages", wire(1), 422, "'T' is no name"),
        (RECEIVE.replace("/g/", "/G/"), {}, 422, "'G' is no name"),
        (RECEIVE, {"max": 0}, 422, "greater than or equal to 1"),
        (RECEIVE, {"wait_seconds": 3600}, 422, "less than or equal to 30"),
        ("/v1/topics/t/messages", {"messages": []}, 422, "at least 1"),
        ("/v1/topics/t/messages", wire(1, "x" * (MAX_BODY_BYTES + 1)), 413, str(MAX_BODY_BYTES)),
        ("/v1/topics/t/groups/g/ack", {"receipts": ["what"]}, 422, "should match pattern"),
    ],
)
def test_nonsense_is_refused_with_words(
    path: str, body: dict[str, Any], status: int, words: str
) -> None:
    async def work(client: httpx.AsyncClient, _: Any) -> None:
        answer = await client.post(path, json=body)
        assert answer.status_code == status
        assert words in answer.text

    with_broker(work)


def test_there_is_a_limit_to_topics() -> None:
    async def work(client: httpx.AsyncClient, _: Any) -> None:
        for n in range(MAX_TOPICS):
            assert (await client.post(f"/v1/topics/t{n}/messages", json=wire(1))).is_success
        answer = await client.post("/v1/topics/one-more/messages", json=wire(1))
        assert (answer.status_code, answer.json()["code"]) == (507, "too_many_topics")
        assert (await client.post("/v1/topics/t0/messages", json=wire(2))).is_success

    with_broker(work)


@pytest.mark.full
@pytest.mark.alone
def test_idle_consumers_cost_the_broker_next_to_nothing(tmp_path: Path) -> None:
    with embedded_broker(tmp_path) as server:
        members = [BrokerEvents(HttpTransport(server.url)) for _ in range(4)]
        for member in members:
            for topic in ("orders", "payments", "inventory"):
                member.subscribe(topic, "group", lambda _: None)
            member.start()
        time.sleep(1.0)
        before = server.cpu_seconds()
        time.sleep(10.0)
        share = (server.cpu_seconds() - before) / 10.0
        for member in members:
            member.stop()
    print(f"12 idle consumers: {share:.2%} of a core")
    assert share < 0.02


@pytest.mark.full
@pytest.mark.alone
def test_two_hundred_messages_a_second_take_a_fraction_of_a_core(tmp_path: Path) -> None:
    rate, seconds = 200, 10.0
    with embedded_broker(tmp_path) as server:
        notes = [Notes(), Notes()]
        member = BrokerEvents(HttpTransport(server.url))
        for group, mine in zip(("one", "other"), notes, strict=True):
            member.subscribe("orders", group, mine.handle)
        member.start()
        # One that waits for the disk after each may not send so many on a slow one.
        publishers = [BrokerEvents(HttpTransport(server.url)) for _ in range(PUBLISHERS)]
        before, begun = server.cpu_seconds(), time.monotonic()
        count = int(rate * seconds)

        def publish(place: int) -> None:
            for n in range(place, count, PUBLISHERS):
                time.sleep(max(0.0, begun + n / rate - time.monotonic()))
                publishers[place].publish("orders", number(n, f"key-{n % 48}"))

        with ThreadPoolExecutor(PUBLISHERS) as pool:
            list(pool.map(publish, range(PUBLISHERS)))
        took = time.monotonic() - begun
        for mine in notes:
            mine.wait_for(count, 10.0)
        share = (server.cpu_seconds() - before) / took
        for publisher in publishers:
            publisher.stop()
        member.stop()
    print(f"{count / took:.0f} messages a second to two groups: {share:.0%} of a core")
    assert took < seconds * 1.2
    assert share < 0.8
