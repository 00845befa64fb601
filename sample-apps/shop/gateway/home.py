"""The home page: four services asked at once, each with something to show when it has no answer.

user             ├───────┤
recommendations  ├─────────────┤
orders           ├─────────┤
products         ├────┤
page             ├─────────────┤   as long as the slowest part
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from opentelemetry import trace

from shop.chassis.chain import FAULT as FAULT_DEEP_CHAIN
from shop.chassis.chain import HOPS
from shop.chassis.errors import ShopError
from shop.chassis.ports import Faults
from shop.gateway.backends import FAULT_SEQUENTIAL, Backends
from shop.gateway.contract import Home
from shop.gateway.last_known import LastKnown
from shop.inventory.contract import Product
from shop.recommendation.contract import BESTSELLERS, RecommendationList

RECOMMENDED = 5
RECENT_ORDERS = 3
PRODUCTS = 8

Together: TypeAlias = Callable[[Sequence[Callable[[], Any]]], Sequence[Any]]
"""Runs the calls and gives their results, or the exceptions they raised, in the same order."""

_log = logging.getLogger("shop.gateway")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the page: how to get it, and what to show instead."""

    name: str
    fetch: Callable[[], Any]
    instead: Callable[[], Any]


class HomePage:
    """Puts the page together. `together` runs its calls beside each other, `enrich` is a chain of
    services that only a fault uses."""

    def __init__(
        self,
        backends: Backends,
        faults: Faults,
        enrich: Callable[[Sequence[str]], object],
        together: Together,
    ) -> None:
        self._backends = backends
        self._faults = faults
        self._enrich = enrich
        self._together = together
        self._recommendations: LastKnown[RecommendationList] = LastKnown()
        self._products: LastKnown[list[Product]] = LastKnown(most_keys=1)

    def for_user(self, user_id: str) -> Home:
        """The page; complete whatever fails, `fallbacks` says what did."""
        parts = self._parts(user_id)
        answers = self._run([part.fetch for part in parts])
        shown: dict[str, Any] = {}
        fallbacks: list[str] = []
        for part, answer in zip(parts, answers, strict=True):
            if isinstance(answer, ShopError):
                _log.warning("home page without %s: %s", part.name, answer)
                fallbacks.append(part.name)
                answer = part.instead()
            elif isinstance(answer, BaseException):
                raise answer
            shown[part.name] = answer
        if fallbacks:
            trace.get_current_span().set_attribute("shop.fallback", fallbacks)
        return Home(**shown, fallbacks=fallbacks)

    def recommendations(self, user_id: str, limit: int) -> RecommendationList:
        """The recommendations alone, with the same fallback."""
        try:
            return self._recommended(user_id, limit)
        except ShopError as error:
            _log.warning("recommendations from what is known: %s", error)
            trace.get_current_span().set_attribute("shop.fallback", ["recommendations"])
            return self._known_recommendations(user_id, limit)

    def _parts(self, user_id: str) -> list[Part]:
        backends = self._backends
        return [
            Part("user", lambda: backends.users.user(user_id), lambda: None),
            Part(
                "recommendations",
                lambda: self._recommended(user_id, RECOMMENDED),
                lambda: self._known_recommendations(user_id, RECOMMENDED),
            ),
            Part("orders", lambda: backends.orders.orders_of(user_id, RECENT_ORDERS), list),
            Part(
                "products",
                lambda: self._products.keep("", backends.inventory.products(PRODUCTS)),
                lambda: self._products.get("") or [],
            ),
        ]

    def _run(self, calls: Sequence[Callable[[], Any]]) -> Sequence[Any]:
        if self._faults.active(FAULT_DEEP_CHAIN) is not None:
            # The page is handed from service to service before it is shown.
            self._faults.acted(FAULT_DEEP_CHAIN)
            self._enrich(HOPS)
        if self._faults.active(FAULT_SEQUENTIAL) is not None:
            self._faults.acted(FAULT_SEQUENTIAL)
            return [_outcome(call) for call in calls]
        return self._together(calls)

    def _recommended(self, user_id: str, limit: int) -> RecommendationList:
        answer = self._backends.recommendations.for_user(user_id, limit)
        return self._recommendations.keep(user_id, answer)

    def _known_recommendations(self, user_id: str, limit: int) -> RecommendationList:
        known = self._recommendations.get(user_id)
        if known is None:
            items = list(BESTSELLERS[:limit])
            return RecommendationList(items=items, model="bestsellers", is_fallback=True)
        return known.model_copy(update={"items": known.items[:limit], "is_fallback": True})


def _outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except ShopError as error:
        return error
