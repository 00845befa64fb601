"""The HTTP interface of the gateway, made from the routing table."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from fastapi.security import HTTPBearer

from shop.gateway.operations import Operations
from shop.gateway.routing import PREFIX, ROUTES

# For the contract only: the front door has looked at the token before a route is reached.
_TOKEN = Depends(HTTPBearer(bearerFormat="JWT", auto_error=False))
_REFUSALS = {
    401: "No valid session token.",
    429: "Too many requests of this user; `Retry-After` says when the next one may come.",
}


def api(operations: Operations) -> APIRouter:
    """`/api/v1/…`: one route for each row of the table."""
    router = APIRouter(prefix=PREFIX, tags=["front door"])
    for route in ROUTES:
        router.add_api_route(
            route.path,
            getattr(operations, route.operation.__name__),
            methods=[route.method],
            status_code=route.status,
            dependencies=[] if route.is_open else [_TOKEN],
            responses={status: {"description": words} for status, words in _REFUSALS.items()},
            openapi_extra={"x-services": list(route.services)},
        )
    return router
