"""Problems: errors as RFC 9457 documents, written by a server and read back by its client.

A document is `{type, title, status, code, detail, retryable}`; `retryable` says whether trying
again may help, which it does not when that was tried already further down. Where they apply there
are `dependency` (the service that did not do its part), `retry_after_seconds`, and `errors` (what
is wrong with which field).
"""

from __future__ import annotations

import logging
import math
from typing import Any

import httpx
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from opentelemetry import trace
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shop.chassis import errors
from shop.chassis.errors import DependencyError, RateLimited, ShopError
from shop.chassis.problem_contract import say_problems
from shop.chassis.well_formed import WellFormedBodies

MEDIA_TYPE = "application/problem+json"

_log = logging.getLogger("shop.problem")

_KINDS: tuple[type[ShopError], ...] = (
    errors.NotFound,
    errors.Invalid,
    errors.Conflict,
    errors.PaymentDeclined,
    errors.Unauthorized,
    errors.RateLimited,
    errors.DependencyError,
    errors.DependencyUnavailable,
    errors.DependencyTimeout,
    errors.CircuitOpen,
    errors.BulkheadFull,
)
BY_CODE = {kind.code: kind for kind in _KINDS}
# What a bare status means when an answer has no problem document (a proxy, a route that is gone).
_BY_STATUS = {
    401: errors.Unauthorized,
    402: errors.PaymentDeclined,
    404: errors.NotFound,
    409: errors.Conflict,
    422: errors.Invalid,
    429: errors.RateLimited,
    503: errors.DependencyUnavailable,
    504: errors.DependencyTimeout,
}


def error_of(
    kind: type[ShopError],
    message: str,
    dependency: str,
    retry_after_seconds: float = 1.0,
) -> ShopError:
    """An error of this class; what its constructor needs besides the message is added."""
    if issubclass(kind, DependencyError):
        return kind(dependency, message)
    if issubclass(kind, RateLimited):
        return kind(message, retry_after_seconds)
    return kind(message)


def problem_document(error: ShopError) -> dict[str, Any]:
    """The document of an error."""
    document: dict[str, Any] = {
        "type": f"urn:shop:problem:{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": error.http_status,
        "code": error.code,
        "detail": str(error),
        "retryable": error.is_retryable and not error.is_final,
    }
    if isinstance(error, DependencyError):
        document["dependency"] = error.dependency
    if isinstance(error, RateLimited):
        document["retry_after_seconds"] = error.retry_after_seconds
    return document


def raise_problem(response: httpx.Response, dependency: str) -> None:
    """Return for a status below 400; else raise the class that the problem document names, or
    what the bare status means. A status of 500 and above that names no class is a
    `DependencyError` of `dependency`."""
    if response.status_code < 400:
        return
    document = _document_in(response)
    status = response.status_code
    kind = BY_CODE.get(str(document.get("code", "")))
    if kind is None:
        kind = _BY_STATUS.get(status, errors.Invalid if status < 500 else errors.DependencyError)
    request = response.request
    detail = str(document.get("detail") or f"{request.method} {request.url.path} answered {status}")
    error = error_of(
        kind,
        detail,
        str(document.get("dependency") or dependency),
        _retry_after(response, document),
    )
    if document.get("retryable") is False:
        error.is_final = True
    raise error


def install_problem_handlers(app: FastAPI) -> None:
    """Make every error of the app a problem document, and say so in its contract: `ShopError` as
    it says, a request that fails validation or has half a character in a string 422, an unknown
    route 404, and an unknown exception 500 without internals, logged with its stack trace."""

    @app.exception_handler(ShopError)
    async def shop_error(request: Request, error: ShopError) -> JSONResponse:
        span = trace.get_current_span()
        span.set_attribute("shop.error.code", error.code)
        if error.http_status >= 500:
            span.record_exception(error)
            _log.warning("%s %s failed: %s", request.method, _route_of(request.scope), error)
        return _answer(problem_document(error), _headers(error))

    @app.exception_handler(RequestValidationError)
    async def not_valid(_request: Request, error: RequestValidationError) -> JSONResponse:
        document = problem_document(errors.Invalid("The request does not have the form it needs."))
        document["errors"] = [
            {"field": ".".join(str(part) for part in fault["loc"]), "detail": str(fault["msg"])}
            for fault in error.errors()
        ]
        return _answer(document)

    @app.exception_handler(HTTPException)
    async def http_exception(_request: Request, error: HTTPException) -> JSONResponse:
        kind = _BY_STATUS.get(error.status_code, ShopError)
        document = problem_document(error_of(kind, str(error.detail), ""))
        document["status"] = error.status_code
        if kind is ShopError and error.status_code < 500:
            document |= {"code": "invalid", "title": "Invalid", "type": "urn:shop:problem:invalid"}
        return _answer(document, dict(error.headers or {}))

    say_problems(app, MEDIA_TYPE)
    # The last one added is the first that a request meets.
    app.add_middleware(WellFormedBodies)
    app.add_middleware(_UnknownErrors)


class _UnknownErrors:
    """Answers for exceptions that nobody foresaw. A middleware and not a handler, because a
    handler of `Exception` raises again after answering, and the server would log it twice."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def noting_send(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        except Exception as error:
            span = trace.get_current_span()
            span.record_exception(error)
            span.set_attribute("shop.error.code", ShopError.code)
            _log.exception("%s %s failed unexpectedly", scope["method"], _route_of(scope))
            if has_begun:
                raise  # The status is sent: cutting the connection is all that is left.
            document = problem_document(ShopError("The service failed; its log says why."))
            await _answer(document)(scope, receive, send)


def _route_of(scope: Scope) -> str:
    """The template of the path, so that the lines about one route are alike; of a request that
    no route wanted, the path, cut so that nobody fills the log."""
    return str(getattr(scope.get("route"), "path", scope["path"][:100]))


def _answer(document: dict[str, Any], headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(document, document["status"], headers, media_type=MEDIA_TYPE)


def _headers(error: ShopError) -> dict[str, str]:
    if isinstance(error, RateLimited):
        return {"retry-after": str(max(1, math.ceil(error.retry_after_seconds)))}
    return {}


def _document_in(response: httpx.Response) -> dict[str, Any]:
    if not response.headers.get("content-type", "").startswith(MEDIA_TYPE):
        return {}
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _retry_after(response: httpx.Response, document: dict[str, Any]) -> float:
    for text in (document.get("retry_after_seconds"), response.headers.get("retry-after")):
        try:
            return float(text or "")
        except (TypeError, ValueError):
            continue
    return 1.0
