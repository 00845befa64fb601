"""The live feed: looks at the store once for all who watch the same filter, and hands out what is
new. Whoever is slow loses the oldest rows and is told how many; nobody slows down anybody.

    store ─▶ look, once a filter ─▶ a queue for each client ─▶ server-sent events
             every second           bounded                    a heartbeat when nothing happens
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from loguru import logger

from longpole.analyzer.reports.live_report import Look, Watch, look
from longpole.dashboards.errors import TooManyWatchers
from longpole.model.clock import Clock
from longpole.model.query import Condition, TraceQuery
from longpole.storage.ports import TraceReader


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """Bounds and paces; `look_seconds` between two looks, `beat_seconds` between heartbeats."""

    most_clients: int = 16
    most_waiting: int = 500
    look_seconds: float = 1.0
    beat_seconds: float = 15.0


@dataclass(slots=True)
class _Client:
    """One reader: rows that wait for it, and how many it lost."""

    rows: deque[dict[str, Any]]
    skipped: int = 0
    new_count: int = 0
    is_cut: bool = False
    has_news: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, seen: Look) -> None:
        """Add rows, oldest first; the oldest of all give way."""
        for row in reversed(seen.rows):
            if len(self.rows) == self.rows.maxlen:
                self.skipped += 1
            self.rows.append(row)
        self.new_count += seen.new_count
        self.is_cut |= seen.is_cut
        self.has_news.set()

    def take(self) -> dict[str, Any]:
        """All that waits as one document, newest first."""
        rows = list(reversed(self.rows))
        told = {
            "traces": rows, "new_count": self.new_count, "skipped": self.skipped,
            "is_cut": self.is_cut,
        }  # fmt: skip
        self.rows.clear()
        self.skipped = self.new_count = 0
        self.is_cut = False
        self.has_news.clear()
        return told


@dataclass(slots=True)
class _Group:
    """Everybody who watches one filter."""

    watch: Watch
    clients: list[_Client] = field(default_factory=list)
    last: Look | None = None


class LiveFeed:
    """One for an application. Everything but the looks happens on the event loop of the server, so
    nothing here needs a lock; `is_stopping` ends every stream."""

    def __init__(
        self,
        reader: TraceReader,
        clock: Clock,
        is_stopping: Callable[[], bool] = lambda: False,
        settings: LiveSettings | None = None,
    ) -> None:
        self._reader = reader
        self._clock = clock
        self._is_stopping = is_stopping
        self._settings = settings or LiveSettings()
        self._groups: dict[tuple[Condition, ...], _Group] = {}
        self._looking: asyncio.Task[None] | None = None

    @property
    def client_count(self) -> int:
        """How many streams are open."""
        return sum(len(group.clients) for group in self._groups.values())

    async def follow(
        self, conditions: tuple[Condition, ...]
    ) -> AsyncGenerator[dict[str, Any] | None, None]:
        """Documents with `traces` (rows that are new or have changed, newest first), `new_count`,
        `skipped` (rows that this client was too slow for) and `is_cut`; None is a heartbeat. Ends
        with the server. Raises `TooManyWatchers` before the first one."""
        client = self._join(conditions)
        step = min(0.25, self._settings.beat_seconds)
        quiet = 0.0
        try:
            while not self._is_stopping():
                with suppress(TimeoutError):
                    await asyncio.wait_for(client.has_news.wait(), step)
                if client.has_news.is_set():
                    quiet = 0.0
                    yield client.take()
                    continue
                quiet += step
                if quiet >= self._settings.beat_seconds:
                    quiet = 0.0
                    yield None
        finally:
            self._leave(conditions, client)

    def check_room(self) -> None:
        """Raises `TooManyWatchers` when nobody else may come."""
        most = self._settings.most_clients
        if self.client_count >= most:
            raise TooManyWatchers(
                f"{most} readers follow the live tail already; close one of them, or ask later"
            )

    def _join(self, conditions: tuple[Condition, ...]) -> _Client:
        self.check_room()
        client = _Client(deque(maxlen=self._settings.most_waiting))
        group = self._groups.get(conditions)
        if group is None:
            group = self._groups[conditions] = _Group(Watch(TraceQuery(conditions)))
        elif group.last is not None:
            client.offer(group.last)
        group.clients.append(client)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look_again_and_again())
        return client

    def _leave(self, conditions: tuple[Condition, ...], client: _Client) -> None:
        group = self._groups.get(conditions)
        if group is not None and client in group.clients:
            group.clients.remove(client)
            if not group.clients:
                del self._groups[conditions]

    async def _look_again_and_again(self) -> None:
        """Until nobody watches any more."""
        while self._groups and not self._is_stopping():
            for group in list(self._groups.values()):
                try:
                    seen = await asyncio.to_thread(
                        look, self._reader, group.watch, self._clock.now_unix_nano()
                    )
                except Exception:
                    # The next look may well succeed; the streams stay open for it.
                    logger.exception("a look for the live tail failed")
                    continue
                if seen.rows:
                    group.last = seen
                    for client in group.clients:
                        client.offer(seen)
            await asyncio.sleep(self._settings.look_seconds)
