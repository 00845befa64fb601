"""The routing table: every route of the front door, and the service that answers it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shop.gateway.backends import INVENTORY, ORDERS, RECOMMENDATIONS, USERS
from shop.gateway.operations import Operations

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Route:
    """One route. `services` are those that are asked, `is_open` says that no token is needed."""

    method: str
    path: str
    services: tuple[str, ...]
    operation: Callable[..., Any]
    status: int = 200
    is_open: bool = False


ROUTES = (
    Route("POST", "/login", (USERS,), Operations.login, is_open=True),
    Route("GET", "/home", (USERS, RECOMMENDATIONS, ORDERS, INVENTORY), Operations.home),
    Route("GET", "/recommendations", (RECOMMENDATIONS,), Operations.recommendations),
    Route("GET", "/products", (INVENTORY,), Operations.products),
    Route("GET", "/products/{sku}", (INVENTORY,), Operations.product),
    Route("POST", "/orders", (ORDERS,), Operations.checkout, status=201),
    Route("POST", "/quick-orders", (ORDERS,), Operations.quick_order, status=202),
    Route("GET", "/orders", (ORDERS,), Operations.orders),
    Route("GET", "/orders/{order_id}", (ORDERS,), Operations.order),
)

OPEN = frozenset((route.method, PREFIX + route.path) for route in ROUTES if route.is_open)


def is_open(method: str, path: str) -> bool:
    """Whether a request needs no token. Routes without parameters only; others are not open."""
    return (method, path) in OPEN
