"""Operations: what each route of the front door does with a visitor's request."""

from __future__ import annotations

import hashlib
import uuid
from typing import Annotated

from fastapi import Depends, Header, Query, Request

from shop.chassis.errors import NotFound, RateLimited
from shop.gateway.backends import Backends
from shop.gateway.contract import Home
from shop.gateway.front_door import VISITOR
from shop.gateway.home import HomePage
from shop.gateway.rate_limit import RateLimit
from shop.gateway.tokens import Visitor
from shop.identifiers import VISIBLE_ASCII, PathName
from shop.inventory.contract import Product
from shop.order.contract import Order, OrderRequest
from shop.recommendation.contract import RecommendationList
from shop.user.contract import Credentials, Session


def _visitor(request: Request) -> Visitor:
    visitor = request.scope["state"][VISITOR]
    assert isinstance(visitor, Visitor)  # the door let nobody else in
    return visitor


CurrentVisitor = Annotated[Visitor, Depends(_visitor)]
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        max_length=128,
        pattern=VISIBLE_ASCII,
        description="The same key gives the same order, so sending again is safe.",
    ),
]


def origin_of(request: Request) -> str:
    """The address a request comes from: as the proxy in front of the door wrote it, else the
    peer's. Only the last entry of the header is the proxy's; visitors can write the others."""
    forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return forwarded or (request.client.host if request.client else "")


def login_key(origin: str, email: str) -> str:
    """What logins are counted by, always equally long: addresses of people are not kept."""
    return hashlib.sha256(f"{origin}\0{email.lower()}".encode()).hexdigest()


class Operations:
    """One method for each row of the routing table. An order without an idempotency key is given
    one here, so that it can be sent again to order-service, for which keys belong to their users.
    """

    def __init__(self, backends: Backends, home: HomePage, login_limit: RateLimit) -> None:
        self._backends = backends
        self._home = home
        self._login_limit = login_limit

    def login(self, request: Request, credentials: Credentials) -> Session:
        """Get a session token."""
        # Nobody is known yet: one place may not try one account too often. Counted for the account
        # alone, a stranger could lock its owner out by trying for ever.
        allowance = self._login_limit.take(login_key(origin_of(request), credentials.email))
        if not allowance.is_granted:
            raise RateLimited("too many logins to this account", allowance.resets_in_seconds)
        return self._backends.users.login(credentials)

    def home(self, visitor: CurrentVisitor) -> Home:
        """The home page."""
        return self._home.for_user(visitor.user_id)

    def recommendations(
        self, visitor: CurrentVisitor, limit: Annotated[int, Query(ge=1, le=40)] = 5
    ) -> RecommendationList:
        """What the visitor may like."""
        return self._home.recommendations(visitor.user_id, limit)

    def products(
        self, visitor: CurrentVisitor, limit: Annotated[int, Query(ge=1, le=100)] = 20
    ) -> list[Product]:
        """The products, by sku."""
        return self._backends.inventory.products(limit)

    def product(self, visitor: CurrentVisitor, sku: PathName) -> Product:
        """One product."""
        return self._backends.inventory.product(sku)

    def checkout(
        self, visitor: CurrentVisitor, request: OrderRequest, idempotency_key: IdempotencyKey = ""
    ) -> Order:
        """Place an order and wait until it is confirmed or cancelled."""
        key = idempotency_key or uuid.uuid4().hex
        return self._backends.checkout.checkout(visitor.user_id, request, key)

    def quick_order(
        self, visitor: CurrentVisitor, request: OrderRequest, idempotency_key: IdempotencyKey = ""
    ) -> Order:
        """Place an order; it is confirmed or cancelled later."""
        key = idempotency_key or uuid.uuid4().hex
        return self._backends.orders.quick_order(visitor.user_id, request, key)

    def orders(
        self, visitor: CurrentVisitor, limit: Annotated[int, Query(ge=1, le=100)] = 20
    ) -> list[Order]:
        """The visitor's orders, newest first."""
        return self._backends.orders.orders_of(visitor.user_id, limit)

    def order(self, visitor: CurrentVisitor, order_id: PathName) -> Order:
        """One of the visitor's orders."""
        order = self._backends.orders.order(order_id)
        if order.user_id != visitor.user_id:
            # Not even that it exists is told to somebody else.
            raise NotFound(f"there is no order {order_id}")
        return order
