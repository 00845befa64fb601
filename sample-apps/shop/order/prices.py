"""Prices, asked of inventory-service and remembered for when it does not answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock

from opentelemetry import trace

from shop.chassis.errors import DependencyError, Invalid, NotFound
from shop.chassis.parallel import Parallel
from shop.inventory.contract import Inventory, Line

FALLBACK = "price from cache"

_log = logging.getLogger("shop.order.prices")


@dataclass(frozen=True, slots=True)
class Quote:
    """What an order costs. `is_from_cache`: at least one price could not be asked for now."""

    total_cents: int
    currency: str
    is_from_cache: bool = False


@dataclass(frozen=True, slots=True)
class _Price:
    """`since`: when it was asked for; `is_stale`: no newer one could be had."""

    cents: int
    currency: str
    since: float
    is_stale: bool = False


class Prices:
    """A price is asked for again after `fresh_seconds`; while inventory-service does not answer,
    one not older than `stale_seconds` will do. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        inventory: Inventory,
        *,
        fresh_seconds: float = 2.0,
        stale_seconds: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inventory = inventory
        self._fresh_seconds = fresh_seconds
        self._stale_seconds = stale_seconds
        self._clock = clock
        self._parallel = Parallel("prices")
        self._known: dict[str, _Price] = {}
        self._lock = Lock()

    def quote(self, lines: Sequence[Line]) -> Quote:
        """The total of some lines; prices not known are asked for at the same time. Raises
        `Invalid` for an unknown sku, and the error of inventory-service when it does not answer
        and a price is not known."""
        prices = self._prices_of(sorted({line.sku for line in lines}))
        currencies = {price.currency for price in prices.values()}
        if len(currencies) != 1:
            raise Invalid(f"one order, one currency: not {', '.join(sorted(currencies))}")
        total_cents = sum(prices[line.sku].cents * line.quantity for line in lines)
        is_from_cache = any(price.is_stale for price in prices.values())
        if is_from_cache:
            trace.get_current_span().set_attribute("shop.fallback", FALLBACK)
        return Quote(total_cents, currencies.pop(), is_from_cache)

    def close(self) -> None:
        """End the threads that ask."""
        self._parallel.close()

    def _prices_of(self, skus: Sequence[str]) -> dict[str, _Price]:
        now = self._clock()
        with self._lock:
            known = {sku: self._known[sku] for sku in skus if sku in self._known}
        prices = {
            sku: price for sku, price in known.items() if now - price.since < self._fresh_seconds
        }
        missing = [sku for sku in skus if sku not in prices]
        if len(missing) == 1:
            prices[missing[0]] = self._ask(missing[0], known.get(missing[0]))
        elif missing:
            calls = [partial(self._ask, sku, known.get(sku)) for sku in missing]
            for sku, answer in zip(missing, self._parallel.run(calls), strict=True):
                if isinstance(answer, Exception):
                    raise answer
                prices[sku] = answer
        return prices

    def _ask(self, sku: str, known: _Price | None) -> _Price:
        try:
            product = self._inventory.product(sku)
        except NotFound as error:
            raise Invalid(f"there is no product {sku}") from error
        except DependencyError as error:
            if known is None or self._clock() - known.since > self._stale_seconds:
                raise
            _log.warning("%s, last known price: %s", sku, error)
            return replace(known, is_stale=True)
        price = _Price(product.price_cents, product.currency, self._clock())
        with self._lock:
            self._known[sku] = price
        return price
