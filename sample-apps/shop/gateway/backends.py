"""Backends: the services behind the gateway, each reached in its own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from shop.chassis.ports import Caller, CallPolicy, Faults, PolicySource
from shop.gateway.transform import ForwardingCaller
from shop.inventory.client import InventoryClient
from shop.inventory.contract import Inventory
from shop.order.client import OrderClient
from shop.order.contract import Orders
from shop.recommendation.client import RecommendationClient
from shop.recommendation.contract import Recommendations
from shop.user.client import UserClient
from shop.user.contract import Users

USERS = "user-service"
INVENTORY = "inventory-service"
ORDERS = "order-service"
RECOMMENDATIONS = "recommendation-service"

FAULT_SEQUENTIAL = "gateway-sequential-calls"

# Reading may be tried again quickly.
READ = CallPolicy(timeout_seconds=3.0, max_attempts=2, bulkhead_calls=24)
# A cold instance needs a while for its first answer; it is worth waiting for, twice is not.
RECOMMEND = CallPolicy(timeout_seconds=2.5, max_attempts=1, bulkhead_calls=24)
# A checkout waits for the card network, the carrier and all retries on the way there. It has a
# client of its own, so that slow checkouts take neither the places nor the breaker of the reads.
CHECKOUT = CallPolicy(timeout_seconds=35.0, max_attempts=1, bulkhead_calls=32)


@dataclass(frozen=True, slots=True)
class Backends:
    """What the gateway calls. `checkout` and `orders` are the same service."""

    users: Users
    inventory: Inventory
    orders: Orders
    checkout: Orders
    recommendations: Recommendations


def remote_backends(
    caller: Callable[[str, PolicySource], Caller], faults: Faults, *, for_home: bool = False
) -> Backends:
    """The backends over HTTP. The home page has clients of its own, a bulkhead around it: however
    many wait for it, products can be had. Only they are far off with `gateway-sequential-calls`.
    """

    def forwarding(service: str, policy: CallPolicy) -> Caller:
        if not for_home:
            return ForwardingCaller(caller(service, policy))
        return ForwardingCaller(caller(service, lambda: _as_far_as(policy, faults)))

    return Backends(
        users=UserClient(forwarding(USERS, READ)),
        inventory=InventoryClient(forwarding(INVENTORY, READ)),
        orders=OrderClient(forwarding(ORDERS, READ)),
        checkout=OrderClient(forwarding(ORDERS, CHECKOUT)),
        recommendations=RecommendationClient(forwarding(RECOMMENDATIONS, RECOMMEND)),
    )


def _as_far_as(policy: CallPolicy, faults: Faults) -> CallPolicy:
    parameters = faults.active(FAULT_SEQUENTIAL)
    if parameters is None:
        return policy
    seconds = float(parameters["milliseconds_per_call"]) / 1000
    return replace(policy, distance_seconds=seconds)
