"""Live tail: lines of a query over a websocket, as they come.

A connection looks once a second for lines that it has not sent. Records come a little after their
own time and in no order, so each look goes back a minute, and what was seen there is remembered:

    ├──────── a minute ────────┤ last look ├──┤ now
      late ones may come here               new ones

A client that is slow is not waited for with lines in memory: the look after that takes the newest,
and says of the others that they were dropped.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.to_thread
import orjson
from loguru import logger
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from longpole.analyzer.logql.expressions import Lines
from longpole.analyzer.logql.parsing import parse
from longpole.analyzer.logql.pipeline import Line
from longpole.analyzer.logql.reading import newest_lines
from longpole.analyzer.logql.refusals import LogQLError
from longpole.grafana.loki.parameters import BadParameter, unix_nano, whole_number
from longpole.grafana.presence import Stopwatch
from longpole.model.clock import Clock
from longpole.model.problem import LongpoleError
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader

MOST_TAILS = 16
# Looks at once, of all tails.
AT_ONCE = 2
# Lines of one message, and lines that are looked at for it; of the others it is said that they
# were dropped.
MOST_LINES, MOST_LOOKED_AT = 1_000, 5_000
_DEFAULT_LINES = 100
_LATE_NS = 60 * 10**9
_HISTORY_NS = 3_600 * 10**9
_LONGEST_DELAY = 5
# Close codes of RFC 6455 and its registry.
_FAILED, _TRY_LATER = 1011, 1013


@dataclass(slots=True)
class Tail:
    """One tail between two looks. `limit` holds for the lines that were there before it began."""

    store: TraceReader
    query: Lines
    start_ns: int
    limit: int
    seen: Counter[tuple[int, bytes]] = field(default_factory=Counter)
    looked_ns: int | None = None

    def look(self, now_ns: int, elapsed: Callable[[], float]) -> dict[str, Any] | None:
        """The message with the lines up to now that were not sent; None without any. Raises
        `LongpoleError`."""
        is_first = self.looked_ns is None
        since = self.start_ns
        if self.looked_ns is not None:
            since = max(since, self.looked_ns - _LATE_NS)
        window = TimeRange(since, max(now_ns, since))
        found = newest_lines(self.store, self.query, window, MOST_LOOKED_AT, elapsed)
        before, self.seen = self.seen, Counter()
        new: list[Line] = []
        for line in found:
            key = _key(line)
            self.seen[key] += 1
            # Of lines that are the same each one counts.
            if self.seen[key] > before[key]:
                new.append(line)
        self.looked_ns = now_ns
        if is_first:
            return _message(new[: self.limit], ())
        return _message(new[:MOST_LINES], new[MOST_LINES : 2 * MOST_LINES])


def _key(line: Line) -> tuple[int, bytes]:
    """What a line is told from others by."""
    said = orjson.dumps([sorted(line.labels.items()), line.text])
    return line.record.time_ns, hashlib.blake2b(said, digest_size=16).digest()


def _message(lines: Sequence[Line], dropped: Sequence[Line]) -> dict[str, Any] | None:
    """Lines come newest first, and are sent oldest first; all labels make the stream."""
    streams: dict[tuple[tuple[str, str], ...], list[list[str]]] = {}
    for line in reversed(lines):
        labels = tuple(sorted(line.labels.items()))
        streams.setdefault(labels, []).append([str(line.record.time_ns), line.text])
    if not streams:
        return None
    message: dict[str, Any] = {
        "streams": [{"stream": dict(labels), "values": held} for labels, held in streams.items()]
    }
    if dropped:
        message["dropped_entries"] = [
            {"labels": line.labels, "timestamp": str(line.record.time_ns)} for line in dropped
        ]
    return message


class Tails:
    """Answers websockets. All of it but the looks runs in the event loop of the server."""

    def __init__(
        self, store: TraceReader, clock: Clock, started: Stopwatch, pause_seconds: float = 1.0
    ) -> None:
        self._store, self._clock, self._started = store, clock, started
        self._pause_seconds = pause_seconds
        self._open = 0
        self._looks: anyio.CapacityLimiter | None = None

    async def follow(self, websocket: WebSocket) -> None:
        """One connection, until the client or the server goes away."""
        try:
            tail, delay_ns = self._asked(websocket)
        except LongpoleError as error:
            await _refused(websocket, 400, str(error))
            return
        if self._open >= MOST_TAILS:
            said = f"{MOST_TAILS} tails are open already; close one of them, or ask later"
            await _refused(websocket, 429, said)
            return
        self._open += 1
        try:
            await websocket.accept()
            async with anyio.create_task_group() as both:

                async def listen() -> None:
                    # Nothing is expected; what comes is not kept.
                    while (await websocket.receive())["type"] != "websocket.disconnect":
                        pass
                    both.cancel_scope.cancel()

                both.start_soon(listen)
                await self._follow(websocket, tail, delay_ns)
                both.cancel_scope.cancel()
        finally:
            self._open -= 1

    async def _follow(self, websocket: WebSocket, tail: Tail, delay_ns: int) -> None:
        self._looks = self._looks or anyio.CapacityLimiter(AT_ONCE)
        try:
            while True:
                now_ns = self._clock.now_unix_nano() - delay_ns
                message = await anyio.to_thread.run_sync(
                    tail.look, now_ns, self._started(), limiter=self._looks, abandon_on_cancel=True
                )
                if message is not None:
                    await websocket.send_text(orjson.dumps(message).decode())
                await anyio.sleep(self._pause_seconds)
        except WebSocketDisconnect:
            return
        except LongpoleError as error:
            await _closed(websocket, _TRY_LATER, str(error)[:100])
        except Exception:
            logger.exception("a live tail failed")
            await _closed(websocket, _FAILED, "the server failed on this; its log says why")

    def _asked(self, websocket: WebSocket) -> tuple[Tail, int]:
        asked = websocket.query_params
        query = parse(asked.get("query", ""), needs_matcher=True)
        if not isinstance(query, Lines):
            raise LogQLError("only lines can be tailed, not numbers made of them")
        delay = asked.get("delay_for", "") or "0"
        if not (delay.isascii() and delay.isdigit()) or int(delay[:9]) > _LONGEST_DELAY:
            raise BadParameter(f"'delay_for' is a number of seconds up to {_LONGEST_DELAY}")
        limit = whole_number(asked, "limit", _DEFAULT_LINES, MOST_LOOKED_AT)
        start = unix_nano(asked, "start")
        if start is None:
            start = self._clock.now_unix_nano() - _HISTORY_NS
        return Tail(self._store, query, start, limit), int(delay) * 10**9


async def _closed(websocket: WebSocket, code: int, said: str) -> None:
    # It may be gone in the meantime.
    with suppress(RuntimeError, WebSocketDisconnect):
        await websocket.close(code, said)


async def _refused(websocket: WebSocket, status: int, said: str) -> None:
    """An answer in HTTP in place of a websocket."""
    await websocket.send_denial_response(PlainTextResponse(said, status))
