"""The ASGI application of this dialect: parameters in, pieces of JSON out.

Questions are worked on in threads, a few at once (`turns`); what each may hold is bounded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from loguru import logger
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from longpole.grafana.presence import Gone, while_present
from longpole.grafana.prometheus import (
    catalog_questions,
    federation,
    queries,
    refusals,
    rules_json,
    status_questions,
)
from longpole.grafana.prometheus.asked import Asked, asked_of, seconds
from longpole.grafana.prometheus.asking import Asking, Question
from longpole.grafana.prometheus.refusals import ErrorType
from longpole.grafana.prometheus.sending import response
from longpole.grafana.turns import NoTurn, Turns

# Those that take forms too, as Grafana sends long queries.
FORMS: Mapping[str, Question] = {
    "query": queries.query,
    "query_range": queries.query_range,
    "query_exemplars": queries.query_exemplars,
    "format_query": queries.format_query,
    "parse_query": queries.parse_query,
    "series": catalog_questions.series,
    "labels": catalog_questions.labels,
}
GETS: Mapping[str, Question] = {
    "label/{name:path}/values": catalog_questions.label_values,
    "metadata": catalog_questions.metadata,
    "rules": rules_json.rules,
    "alerts": rules_json.alerts,
    "targets": status_questions.targets,
    "targets/metadata": catalog_questions.target_metadata,
    "scrape_pools": status_questions.scrape_pools,
    "notifications": status_questions.notifications,
    "alertmanagers": status_questions.alertmanagers,
    "status/buildinfo": status_questions.buildinfo,
    "status/flags": status_questions.flags,
    "status/config": status_questions.config,
    "status/runtimeinfo": status_questions.runtimeinfo,
    "status/tsdb": status_questions.tsdb,
    "status/walreplay": status_questions.walreplay,
}
NAMES = frozenset({"series", "labels", "label/{name:path}/values", "status/tsdb"})
# They read what the server knows of itself.
FREE = frozenset(GETS) - NAMES | {"format_query", "parse_query"}
# Questions that are worked on at once, and how long others wait at most.
AT_ONCE = 4
NAMES_AT_ONCE = 2
MOST_WAIT_SECONDS = 10.0
MOST_BODY_BYTES = 1 << 20
# Fields that are read faster than given to a thread.
_FEW_BYTES = 4096

_Endpoint = Callable[[Request], Awaitable[Response]]


def prometheus_app(asking: Asking) -> Starlette:
    """The application, to be mounted at `/prometheus`."""
    rooms = _Rooms(Turns(AT_ONCE), Turns(NAMES_AT_ONCE), Turns(AT_ONCE))
    routes = [
        Route(f"/api/v1/{path}", _endpoint(asking, path, question, rooms), methods=methods)
        for questions, methods in ((FORMS, ["GET", "POST"]), (GETS, ["GET"]))
        for path, question in questions.items()
    ]
    federating = _endpoint(asking, "federate", federation.federate, rooms)
    routes.append(Route("/federate", federating, methods=["GET"]))
    routes += [
        Route(f"/-/{path}", _said(f"Longpole is {path}.\n"), methods=["GET"])
        for path in ("healthy", "ready")
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _http_error})


@dataclass(frozen=True, slots=True)
class _Rooms:
    queries: Turns
    names: Turns
    # For what takes no time worth waiting for.
    free: Turns


def _endpoint(asking: Asking, path: str, question: Question, rooms: _Rooms) -> _Endpoint:
    async def endpoint(request: Request) -> Response:
        body = b""
        if request.method == "POST":
            body = await _body(request)
            if len(body) > MOST_BODY_BYTES:
                return refusal(ErrorType.BAD_DATA, f"a form has at most {MOST_BODY_BYTES:,} bytes")
        work = partial(_in_a_room, asking, path, question, rooms, request, body)
        return await while_present(request, work)

    return endpoint


async def _in_a_room(
    asking: Asking, path: str, question: Question, rooms: _Rooms, request: Request, body: bytes
) -> Response:
    try:
        query_string = request.scope["query_string"]
        read = partial(asked_of, query_string, body, request.path_params)
        if len(query_string) + len(body) <= _FEW_BYTES:
            asked = read()
        else:
            asked = await rooms.free.run(read, MOST_WAIT_SECONDS)
        room = rooms.free if path in FREE else rooms.names if path in NAMES else rooms.queries
        if room is rooms.queries and room.are_all_taken:
            is_free = await rooms.free.run(partial(queries.is_free, asked), MOST_WAIT_SECONDS)
            room = rooms.free if is_free else room
        return await room.run(
            partial(_answered, asking, question, request, asked), _wait_seconds(asked)
        )
    except NoTurn as error:
        return refusal(ErrorType.TIMEOUT, str(error))
    except refusals.ANSWERED as error:
        return refusal(refusals.type_of(error), str(error))


def _wait_seconds(asked: Asked) -> float:
    try:
        return max(0.0, min(MOST_WAIT_SECONDS, seconds(asked.text("timeout"))))
    except ValueError:
        return MOST_WAIT_SECONDS


async def _body(request: Request) -> bytes:
    """At most a little more than is allowed."""
    held = bytearray()
    async for piece in request.stream():
        held += piece
        if len(held) > MOST_BODY_BYTES:
            break
    return bytes(held)


def _answered(asking: Asking, question: Question, request: Request, asked: Asked) -> Response:
    is_packed = "gzip" in request.headers.get("accept-encoding", "").lower()
    try:
        found = question(asking, asked)
        return response(found.pieces(), is_packed, found.media_type)
    except refusals.ANSWERED as error:
        return refusal(refusals.type_of(error), str(error))
    except Gone:
        raise
    except Exception as error:
        logger.opt(exception=error).error("a query failed: {}", request.scope["path"])
        return refusal(ErrorType.INTERNAL, "the server failed on this; its log says why")


def refusal(kind: ErrorType, message: str) -> Response:
    """An error as Prometheus answers it."""
    headers = {"Retry-After": "1"} if kind.status == 503 else None
    return Response(
        refusals.document(kind, message), kind.status, headers, media_type="application/json"
    )


def _http_error(request: Request, error: Exception) -> Response:
    """What no route is for, as JSON like everything else."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return refusal(ErrorType.NOT_FOUND, f"there is nothing at {request.url.path[:200]}")
    document = refusals.document(ErrorType.BAD_DATA, f"{request.method[:20]} is not possible here")
    return Response(document, error.status_code, error.headers, media_type="application/json")


def _said(text: str) -> _Endpoint:
    async def endpoint(request: Request) -> Response:
        return PlainTextResponse(text)

    return endpoint
