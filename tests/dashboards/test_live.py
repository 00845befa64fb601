"""The live tail: who is told what, when, and what becomes of those who are slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from longpole.analyzer.reports.live_report import FIRST_ROWS, MOST_ROWS, Watch, look
from longpole.analyzer.settle import settle_once
from longpole.dashboards.errors import TooManyWatchers
from longpole.dashboards.live_feed import LiveFeed, LiveSettings
from longpole.dashboards.live_rows import live_row
from longpole.formats.rows import telemetry_of_spans
from longpole.model.clock import ManualClock
from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.storage.memory import MemoryStore
from tests.dashboards.test_pages import HOSTILE, inert
from tests.dashboards.test_search_page import trace
from tests.dashboards.web import START, Web

FAST = LiveSettings(most_clients=3, most_waiting=4, look_seconds=0.01, beat_seconds=0.02)
SHOP = (Condition(Field.SERVICE, Comparison.EQ, "shop"),)


class Store(MemoryStore):
    """Counts how often it is searched."""

    searches = 0

    def search_traces(self, *asked: Any, **more: Any) -> Any:
        self.searches += 1
        return super().search_traces(*asked, **more)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START + 200 * 10**9)


@pytest.fixture
def store(clock: ManualClock) -> Store:
    return Store(clock, 0.0, 0.0)


def send(store: MemoryStore, *numbers: int, service: str = "web") -> None:
    spans = [one for number in numbers for one in trace(number, service=service)]
    store.submit(telemetry_of_spans(spans), START).result()


def numbers(told: dict[str, Any] | None) -> list[int]:
    assert told is not None
    return [int(row["trace_id"], 16) for row in told["traces"]]


async def news(stream: AsyncIterator[dict[str, Any] | None]) -> dict[str, Any]:
    """The next document that is no heartbeat."""
    async for told in stream:
        if told is not None:
            return told
    raise AssertionError("the stream ended")


def test_a_trace_comes_when_it_appears_and_again_when_it_is_settled(
    store: Store, clock: ManualClock
) -> None:
    watch = Watch(TraceQuery())
    send(store, 1)
    first = look(store, watch, clock.now_unix_nano())
    assert [(row["is_settled"], row["verdict"], row["path"]) for row in first.rows] == [
        (False, "", [])
    ]
    assert (first.new_count, look(store, watch, clock.now_unix_nano()).rows) == (1, ())
    settle_once(store, clock)
    (row,) = look(store, watch, clock.now_unix_nano()).rows
    assert row["is_settled"]
    assert row["verdict"]
    assert row["path"]


def test_the_first_look_gives_a_few_and_no_later_one_repeats_the_others(
    store: Store, clock: ManualClock
) -> None:
    send(store, *range(1, 41))
    watch = Watch(TraceQuery())
    assert len(look(store, watch, clock.now_unix_nano()).rows) == FIRST_ROWS
    send(store, 50)
    assert len(look(store, watch, clock.now_unix_nano()).rows) == 1


def test_more_than_a_reader_can_follow_is_cut_and_said(store: Store, clock: ManualClock) -> None:
    watch = Watch(TraceQuery(), is_first=False)
    clock.advance(300)
    send(store, *range(1, MOST_ROWS + 5))
    seen = look(store, watch, clock.now_unix_nano())
    assert (len(seen.rows), seen.new_count, seen.is_cut) == (MOST_ROWS, MOST_ROWS, True)


def test_each_client_gets_what_its_filter_lets_through(store: Store, clock: ManualClock) -> None:
    async def play() -> None:
        feed = LiveFeed(store, clock, settings=FAST)
        async with aclosing(feed.follow(())) as everything, aclosing(feed.follow(SHOP)) as some:
            send(store, 1)
            assert numbers(await news(everything)) == [1]
            waits = asyncio.ensure_future(news(some))
            send(store, 2, service="shop")
            assert numbers(await news(everything)) == [2]
            assert numbers(await waits) == [2]
            assert feed.client_count == 2
        assert feed.client_count == 0

    asyncio.run(play())


def test_the_store_is_asked_once_for_all_who_watch_the_same(
    store: Store, clock: ManualClock
) -> None:
    async def play() -> None:
        feed = LiveFeed(store, clock, settings=FAST)
        async with aclosing(feed.follow(())) as one, aclosing(feed.follow(())) as two:
            send(store, 1)
            first, second = await asyncio.gather(news(one), news(two))
            assert numbers(first) == numbers(second) == [1]
            begin = store.searches
            looks = 0
            send(store, 2)
            first, second = await asyncio.gather(news(one), news(two))
            assert numbers(first) == numbers(second) == [2]
            looks = store.searches - begin
            await asyncio.sleep(0)
            assert looks <= 60  # one a hundredth of a second, however many clients

    asyncio.run(play())


def test_a_slow_client_loses_the_oldest_and_is_told_how_many(
    store: Store, clock: ManualClock
) -> None:
    async def play() -> None:
        feed = LiveFeed(store, clock, settings=FAST)
        async with aclosing(feed.follow(())) as slow, aclosing(feed.follow(())) as quick:
            send(store, 1)
            assert numbers(await news(slow)) == [1]
            assert numbers(await news(quick)) == [1]
            for number in range(2, 9):
                send(store, number)
                assert numbers(await news(quick)) == [number]
            told = await news(slow)
            assert numbers(told) == [8, 7, 6, 5]
            assert (told["skipped"], told["new_count"]) == (3, 7)

    asyncio.run(play())


def test_a_quiet_stream_beats_and_ends_with_the_server(store: Store, clock: ManualClock) -> None:
    async def play() -> None:
        stopping = False
        feed = LiveFeed(store, clock, lambda: stopping, FAST)
        beats = 0
        async for told in feed.follow(()):
            assert told is None
            beats += 1
            stopping = beats == 2
        assert beats == 2
        assert feed.client_count == 0

    asyncio.run(asyncio.wait_for(play(), 30))


def test_only_so_many_may_follow(store: Store, clock: ManualClock) -> None:
    async def play() -> None:
        feed = LiveFeed(store, clock, settings=FAST)
        streams = [feed.follow(()) for _ in range(4)]
        for stream in streams[:3]:
            assert await anext(stream) is None
        with pytest.raises(TooManyWatchers, match="3 readers"):
            await anext(streams[3])
        for stream in streams:
            await stream.aclose()
        feed.check_room()

    asyncio.run(play())


def test_a_look_that_fails_ends_no_stream(store: Store, clock: ManualClock) -> None:
    failures = 0

    class Failing(Store):
        def search_traces(self, *asked: Any, **more: Any) -> Any:
            nonlocal failures
            failures += 1
            if failures == 1:
                raise OSError("the disk is gone")
            return super().search_traces(*asked, **more)

    async def play() -> None:
        bad = Failing(clock, 0.0, 0.0)
        send(bad, 1)
        feed = LiveFeed(bad, clock, settings=FAST)
        async with aclosing(feed.follow(())) as stream:
            assert numbers(await news(stream)) == [1]

    asyncio.run(play())


def test_the_live_page_shows_the_newest_and_says_what_works_without_scripts() -> None:
    web = Web(trace(1) + trace(2))
    text = web.get("/live").text
    inert(text)
    assert text.count("<tr data-trace=") == 2
    assert "Without scripts this page does not move" in text
    assert 'data-events="/api/v1/live"' in text
    filtered = web.get("/live", params={"q": '{ name = "nope" }'}).text
    assert "that matches" in filtered
    refused = web.get("/live", params={"q": "{ nope"})
    assert (refused.status_code, "unknown field" in refused.text) == (200, True)
    assert "data-events" not in refused.text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_inert_on_the_live_page_and_in_its_rows(text: str) -> None:
    web = Web(trace(1, service=text))
    inert(web.get("/live").text)
    inert(web.get("/live", params={"q": text}).text)
    seen = look(web.store, Watch(TraceQuery()), web.clock.now_unix_nano())
    row = live_row(seen.rows[0], {})
    assert "\u202e" not in row["root"]
    assert "\x1b" not in row["root"]
    assert len(row["root"]) < 400


def test_a_wrong_question_gets_no_stream() -> None:
    web = Web()
    for wrong in ({"q": "{ nope"}, {"since": "1h"}):
        assert web.get("/api/v1/live", params=wrong).status_code == 400
