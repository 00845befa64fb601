"""The HTTP interface of the gateway, made from the routing table."""

from __future__ import annotations

from fastapi import APIRouter

from shop.gateway.operations import Operations
from shop.gateway.routing import PREFIX, ROUTES


def api(operations: Operations) -> APIRouter:
    """`/api/v1/…`: one route for each row of the table."""
    router = APIRouter(prefix=PREFIX, tags=["front door"])
    for route in ROUTES:
        router.add_api_route(
            route.path,
            getattr(operations, route.operation.__name__),
            methods=[route.method],
            status_code=route.status,
            openapi_extra={"x-services": list(route.services)},
        )
    return router
