"""Backends that answer from memory, and fail when they are told to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shop.chassis.errors import DependencyUnavailable, NotFound, Unauthorized
from shop.gateway.backends import Backends
from shop.inventory.contract import Product
from shop.order.contract import Order, OrderRequest
from shop.recommendation.contract import Recommendation, RecommendationList
from shop.user.contract import Address, Credentials, Session, User


@dataclass
class Shop:
    """All services at once; those named in `down` are unavailable. `keys` are the idempotency
    keys in the order of their arrival."""

    down: set[str] = field(default_factory=set)
    keys: list[str] = field(default_factory=list)
    placed: dict[str, Order] = field(default_factory=dict)

    def _ask(self, service: str) -> None:
        if service in self.down:
            raise DependencyUnavailable(service, f"{service} is down")

    def login(self, credentials: Credentials) -> Session:
        self._ask("user-service")
        if credentials.password != "right":
            raise Unauthorized("wrong")
        return Session(token="a.b.c", user_id="user-1", expires_unix=1)

    def user(self, user_id: str) -> User:
        self._ask("user-service")
        address = Address(street="s", city="c", country="DE")
        return User(user_id=user_id, email="e", name="Ada", tier="gold", address=address)

    def products(self, limit: int) -> list[Product]:
        self._ask("inventory-service")
        return [
            Product(sku=f"sku-{n}", name="Lamp", price_cents=n, in_stock=1)
            for n in range(1, limit + 1)
        ]

    def product(self, sku: str) -> Product:
        if sku == "sku-none":
            raise NotFound("there is no sku-none")
        return self.products(1)[0]

    def for_user(self, user_id: str, limit: int) -> RecommendationList:
        self._ask("recommendation-service")
        item = Recommendation(sku="sku-9", name="Clock", score=1.0)
        return RecommendationList(items=[item] * limit, model="m")

    def checkout(self, user_id: str, request: OrderRequest, idempotency_key: str) -> Order:
        return self._place(user_id, request, idempotency_key, "confirmed")

    def quick_order(self, user_id: str, request: OrderRequest, idempotency_key: str) -> Order:
        return self._place(user_id, request, idempotency_key, "pending")

    def order(self, order_id: str) -> Order:
        if order_id not in self.placed:
            raise NotFound(f"there is no order {order_id}")
        return self.placed[order_id]

    def orders_of(self, user_id: str, limit: int) -> list[Order]:
        self._ask("order-service")
        return [order for order in self.placed.values() if order.user_id == user_id][:limit]

    def reserve(self, *_: Any) -> Any:
        raise AssertionError("the gateway never reserves")

    def release(self, *_: Any) -> Any:
        raise AssertionError("the gateway never releases")

    def _place(self, user_id: str, request: OrderRequest, key: str, status: str) -> Order:
        self._ask("order-service")
        self.keys.append(key)
        order_id = f"order-{len(self.placed) + 1}"
        self.placed[order_id] = Order(
            order_id=order_id,
            user_id=user_id,
            saga_id="saga-1",
            status=status,
            lines=request.lines,
            total_cents=100,
        )
        return self.placed[order_id]

    def backends(self) -> Backends:
        """Itself in every part."""
        return Backends(
            users=self, inventory=self, orders=self, checkout=self, recommendations=self
        )
