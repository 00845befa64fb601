"""The ASGI application of this dialect: parameters in, pieces of JSON out.

Questions are worked on in threads, a few at once; what each may hold in memory is bounded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import anyio
from loguru import logger
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from longpole.grafana.prometheus import (
    catalog_questions,
    queries,
    refusals,
    rules_json,
    status_questions,
)
from longpole.grafana.prometheus.asked import asked_of
from longpole.grafana.prometheus.asking import Asking, Question
from longpole.grafana.prometheus.refusals import ErrorType
from longpole.grafana.prometheus.sending import response

# Those that take forms too, as Grafana sends long queries.
FORMS: Mapping[str, Question] = {
    "query": queries.query,
    "query_range": queries.query_range,
    "query_exemplars": queries.query_exemplars,
    "format_query": queries.format_query,
    "series": catalog_questions.series,
    "labels": catalog_questions.labels,
}
GETS: Mapping[str, Question] = {
    "label/{name:path}/values": catalog_questions.label_values,
    "metadata": catalog_questions.metadata,
    "rules": rules_json.rules,
    "alerts": rules_json.alerts,
    "targets": status_questions.targets,
    "alertmanagers": status_questions.alertmanagers,
    "status/buildinfo": status_questions.buildinfo,
    "status/flags": status_questions.flags,
    "status/config": status_questions.config,
    "status/runtimeinfo": status_questions.runtimeinfo,
    "status/tsdb": status_questions.tsdb,
}
# Questions that are worked on at once; others wait.
AT_ONCE = 4
MOST_BODY_BYTES = 1 << 20

_Endpoint = Callable[[Request], Awaitable[Response]]


def prometheus_app(asking: Asking) -> Starlette:
    """The application, to be mounted at `/prometheus`."""
    limiter = Limiter()
    routes = [
        Route(f"/api/v1/{path}", _endpoint(asking, question, limiter), methods=methods)
        for questions, methods in ((FORMS, ["GET", "POST"]), (GETS, ["GET"]))
        for path, question in questions.items()
    ]
    routes += [
        Route(f"/-/{path}", _said(f"Longpole is {path}.\n"), methods=["GET"])
        for path in ("healthy", "ready")
    ]
    return Starlette(routes=routes)


class Limiter:
    """Counts the threads of one application, in whatever event loop it runs."""

    def __init__(self) -> None:
        self._held: anyio.CapacityLimiter | None = None

    @property
    def held(self) -> anyio.CapacityLimiter:
        # It belongs to a running loop, and there is none while the application is made.
        self._held = self._held or anyio.CapacityLimiter(AT_ONCE)
        return self._held


def _endpoint(asking: Asking, question: Question, limiter: Limiter) -> _Endpoint:
    async def endpoint(request: Request) -> Response:
        body = b""
        if request.method == "POST":
            body = await _body(request)
            if len(body) > MOST_BODY_BYTES:
                return refusal(ErrorType.BAD_DATA, f"a form has at most {MOST_BODY_BYTES:,} bytes")
        return await anyio.to_thread.run_sync(
            _answered, asking, question, request, body, limiter=limiter.held
        )

    return endpoint


async def _body(request: Request) -> bytes:
    """At most a little more than is allowed."""
    held = bytearray()
    async for piece in request.stream():
        held += piece
        if len(held) > MOST_BODY_BYTES:
            break
    return bytes(held)


def _answered(asking: Asking, question: Question, request: Request, body: bytes) -> Response:
    is_packed = "gzip" in request.headers.get("accept-encoding", "").lower()
    try:
        asked = asked_of(request.scope["query_string"], body, request.path_params)
        return response(question(asking, asked).pieces(), is_packed)
    except refusals.ANSWERED as error:
        return refusal(refusals.type_of(error), str(error))
    except Exception as error:
        logger.opt(exception=error).error("a query failed: {}", request.scope["path"])
        return refusal(ErrorType.INTERNAL, "the server failed on this; its log says why")


def refusal(kind: ErrorType, message: str) -> Response:
    """An error as Prometheus answers it."""
    headers = {"Retry-After": "1"} if kind.status == 503 else None
    return Response(
        refusals.document(kind, message), kind.status, headers, media_type="application/json"
    )


def _said(text: str) -> _Endpoint:
    async def endpoint(request: Request) -> Response:
        return PlainTextResponse(text)

    return endpoint
