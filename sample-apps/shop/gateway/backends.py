"""Backends: the services behind the gateway, each reached in its own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shop.chassis.ports import Caller, CallPolicy, PolicySource
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


def remote_backends(caller: Callable[[str, PolicySource], Caller]) -> Backends:
    """The backends over HTTP."""

    def forwarding(service: str, policy: PolicySource) -> Caller:
        return ForwardingCaller(caller(service, policy))

    return Backends(
        users=UserClient(forwarding(USERS, READ)),
        inventory=InventoryClient(forwarding(INVENTORY, READ)),
        orders=OrderClient(forwarding(ORDERS, READ)),
        checkout=OrderClient(forwarding(ORDERS, CHECKOUT)),
        recommendations=RecommendationClient(forwarding(RECOMMENDATIONS, RECOMMEND)),
    )
