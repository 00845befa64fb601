"""`GET /api/v1/live`: the live feed as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from longpole.dashboards import parameters
from longpole.dashboards.answers import Answers
from longpole.dashboards.api import asked
from longpole.dashboards.live_feed import LiveFeed
from longpole.dashboards.live_rows import live_row
from longpole.dashboards.sql_rows import encoded
from longpole.model.query import Condition

# A proxy in between must not wait for more.
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_RETRY_MS = 3_000


def live_router(answers: Answers, feed: LiveFeed) -> APIRouter:
    """The one route."""
    router = APIRouter(prefix="/api/v1")

    @router.get("/live", summary="Traces as they appear, as server-sent events")
    async def live(request: Request) -> StreamingResponse:
        given = asked(request)
        parameters.only(given, frozenset({"q"}))
        conditions = parameters.query(given, answers.clock).conditions
        feed.check_room()
        return StreamingResponse(
            _events(request, feed, conditions), media_type="text/event-stream", headers=_HEADERS
        )

    return router


async def _events(
    request: Request, feed: LiveFeed, conditions: tuple[Condition, ...]
) -> AsyncIterator[bytes]:
    yield b"retry: %d\n\n" % _RETRY_MS
    async for told in feed.follow(conditions):
        if told is None:
            yield b": still here\n\n"
            continue
        colours = request.app.state.service_colours()
        document = {**told, "traces": [live_row(row, colours) for row in told["traces"]]}
        yield b"event: traces\ndata: " + encoded(document) + b"\n\n"
