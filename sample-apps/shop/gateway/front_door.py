"""The front door: what every request to `/api/…` passes before it is answered.

    request id ▶ token ▶ rate limit ▶ size of the body ▶ transform ▶ route

TLS ends before it: Envoy stands in front (see the README's section on TLS), so this speaks plain
HTTP and must not be reachable from outside by itself. It is an ASGI middleware, inside the span
of the request and outside the routes, so a refused request costs no body and no thread.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping

from fastapi.responses import JSONResponse
from opentelemetry import baggage, context, metrics, trace
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shop.chassis.errors import RateLimited, ShopError
from shop.chassis.problem import MEDIA_TYPE, problem_document
from shop.gateway.rate_limit import Allowance, RateLimit
from shop.gateway.tokens import Verifier, Visitor
from shop.gateway.transform import forwarded, request_id_of, take_in_hand

PREFIX = "/api/"
LARGEST_BODY_BYTES = 64 * 1024
BODY_SECONDS = 10.0
VISITOR = "visitor"
"""Where in the request's state the `Visitor` is; absent on routes that are open."""

_log = logging.getLogger("shop.gateway")


class BodyTooLarge(ShopError):
    """More than the door lets through."""

    code = "body_too_large"
    http_status = 413


class BodyTooSlow(ShopError):
    """The body did not come in time."""

    code = "body_too_slow"
    http_status = 408


class FrontDoor:
    """Lets requests in. `is_open(method, path)` says which ones need no token; `clock` gives
    seconds."""

    def __init__(
        self,
        app: ASGIApp,
        verifier: Verifier,
        rate_limit: RateLimit,
        is_open: Callable[[str, str], bool],
        body_seconds: float = BODY_SECONDS,
        clock: Callable[[], float] = time.perf_counter,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._rate_limit = rate_limit
        self._is_open = is_open
        self._body_seconds = body_seconds
        self._clock = clock
        self._rejected = metrics.get_meter(
            "shop.gateway", meter_provider=meter_provider
        ).create_counter(
            "shop.gateway.rejected",
            unit="{request}",
            description="Requests that the front door turned away, by reason.",
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        # What a visitor puts into the baggage ends here; behind the door it is believed.
        token = context.attach(baggage.clear())
        try:
            await self._let_in(scope, receive, send)
        finally:
            context.detach(token)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = self._clock()
        headers = dict(Headers(scope=scope).items())
        request_id = request_id_of(headers)
        answer_headers = {"x-request-id": request_id, **_trace_header()}
        status = 500
        user_id = ""

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(answer_headers)
            await send(message)

        try:
            if not self._is_open(scope["method"], scope["path"]):
                visitor = self._verifier.visitor(headers.get("authorization", ""))
                user_id = visitor.user_id
                self._welcome(scope, visitor)
                answer_headers.update(self._count(visitor))
            body = await _whole_body(headers, receive, self._body_seconds)
            take_in_hand(forwarded(headers, request_id, user_id))
            await self._app(scope, _again(body, receive), answer)
        except ShopError as error:
            self._rejected.add(1, {"reason": error.code, "http.request.method": scope["method"]})
            trace.get_current_span().set_attribute("shop.gateway.rejected", error.code)
            if isinstance(error, RateLimited):
                answer_headers |= {"retry-after": _whole_seconds(error.retry_after_seconds)}
                answer_headers |= error.headers if isinstance(error, _Refused) else {}
            if error.http_status == 401:
                answer_headers["www-authenticate"] = "Bearer"
            await _problem(error)(scope, receive, answer)
        finally:
            _log.log(
                logging.WARNING if status >= 500 else logging.INFO,
                "%s %s answered %d",
                scope["method"],
                _route_of(scope),
                status,
                extra={
                    "user.id": user_id,
                    "request_id": request_id,
                    "duration_ms": round((self._clock() - started) * 1000, 1),
                },
            )

    def _welcome(self, scope: Scope, visitor: Visitor) -> None:
        scope.setdefault("state", {})[VISITOR] = visitor
        trace.get_current_span().set_attributes(
            {"user.id": visitor.user_id, "shop.user.tier": visitor.tier}
        )

    def _count(self, visitor: Visitor) -> dict[str, str]:
        allowance = self._rate_limit.take(visitor.user_id)
        if not allowance.is_granted:
            raise _Refused(visitor, allowance)
        return limit_headers(allowance)


class _Refused(RateLimited):
    """Too many requests; `headers` say how many there may be."""

    def __init__(self, visitor: Visitor, allowance: Allowance) -> None:
        super().__init__(
            f"{visitor.user_id} may send {allowance.limit} requests "
            f"in {allowance.window_seconds} s",
            allowance.resets_in_seconds,
        )
        self.headers = limit_headers(allowance)


def limit_headers(allowance: Allowance) -> dict[str, str]:
    """The `RateLimit-*` headers of an answer, so that a client can slow down before it must."""
    return {
        "ratelimit-limit": str(allowance.limit),
        "ratelimit-remaining": str(allowance.remaining),
        "ratelimit-reset": _whole_seconds(allowance.resets_in_seconds),
        "ratelimit-policy": f"{allowance.limit};w={allowance.window_seconds}",
    }


async def _whole_body(headers: Mapping[str, str], receive: Receive, seconds: float) -> bytes:
    """The body, read before a thread is spent on the request; chunked ones are counted as they
    come. Raises `BodyTooLarge` and `BodyTooSlow`."""
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > LARGEST_BODY_BYTES:
        raise _too_large()
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                part = message.get("body", b"")
                size += len(part)
                if size > LARGEST_BODY_BYTES:
                    raise _too_large()
                parts.append(part)
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError as error:
        raise BodyTooSlow(f"the body did not come within {seconds:g} s") from error


def _again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once, and then what really comes."""
    is_given = False

    async def replay() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"a body may have {LARGEST_BODY_BYTES} bytes")


def _problem(error: ShopError) -> JSONResponse:
    return JSONResponse(problem_document(error), error.http_status, media_type=MEDIA_TYPE)


def _trace_header() -> dict[str, str]:
    span_context = trace.get_current_span().get_span_context()
    if not span_context.is_valid:
        return {}
    return {"x-trace-id": trace.format_trace_id(span_context.trace_id)}


def _route_of(scope: Scope) -> str:
    # A refused request never reached a route; its path is cut so that nobody fills the log.
    return str(getattr(scope.get("route"), "path", scope["path"][:100]))


def _whole_seconds(seconds: float) -> str:
    return str(max(1, math.ceil(seconds)))
