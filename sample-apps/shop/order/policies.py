"""How order-service calls each of its dependencies, and how faults make that worse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from shop.chassis.ports import CallPolicy, Faults

PAYMENT_SLOW = "payment-slow"
RETRY_STORM = "order-retry-storm"

# A charge waits for the card network, and for a database that may be slow: better to wait than
# not to know what became of the money. For the same reason the saga itself decides on a second
# attempt.
PAYMENT = CallPolicy(timeout_seconds=7.0, max_attempts=1)
INVENTORY = CallPolicy(timeout_seconds=3.0)
SHIPPING = CallPolicy(timeout_seconds=4.0)
USERS = CallPolicy(timeout_seconds=2.0)


def payment_policy(faults: Faults) -> Callable[[], CallPolicy]:
    """With `payment-slow`, nobody ever gives up: no breaker, and half a minute of patience."""

    def policy() -> CallPolicy:
        if faults.active(PAYMENT_SLOW) is None:
            return PAYMENT
        return replace(PAYMENT, timeout_seconds=30.0, breaker_failures=0, bulkhead_calls=64)

    return policy


def inventory_policy(faults: Faults) -> Callable[[], CallPolicy]:
    """With `order-retry-storm`, a failed call is repeated at once, many times, with no breaker
    to end it."""

    def policy() -> CallPolicy:
        parameters = faults.active(RETRY_STORM)
        if parameters is None:
            return INVENTORY
        attempts = int(parameters["attempts"])
        return replace(INVENTORY, max_attempts=attempts, backoff_seconds=0.0, breaker_failures=0)

    return policy
