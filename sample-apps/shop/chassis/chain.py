"""The chain: `GET /v1/chain`, by which each service adds its part to a page and asks the next one.

It is how not to build a page, and only the fault `gateway-deep-chain` uses it: the gateway hands
the user to the first service, which enriches the answer and waits for the second, and so on:

    gateway ──▶ recommendation ──▶ user ──▶ order ──▶ inventory ──▶ shipping ──▶ notification

Every hop adds its latency to every hop before it, and one that is down takes all with it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from fastapi import APIRouter
from pydantic import BaseModel

from shop.chassis.chassis import Chassis
from shop.chassis.errors import Invalid
from shop.chassis.ports import Caller, CallPolicy, PolicySource
from shop.chassis.replies import read_reply

FAULT = "gateway-deep-chain"
PATH = "/v1/chain"

HOPS = (
    "recommendation-service",
    "user-service",
    "order-service",
    "inventory-service",
    "shipping-service",
    "notification-service",
)
"""The services of the chain, in their order after the gateway."""

# The first hop waits for all the others, so its timeout covers the whole chain; and a chain that
# repeated itself at every hop would multiply its calls by each hop's attempts.
POLICY = CallPolicy(timeout_seconds=8.0, max_attempts=1, breaker_failures=0, bulkhead_calls=64)


class Enrichment(BaseModel):
    """What one service and those after it added: their names, in the order of the chain."""

    services: list[str]


class Chain:
    """The calls from one service to the next; a client of each is made when it is first asked."""

    def __init__(self, caller: Callable[[str, PolicySource], Caller]) -> None:
        self._caller = caller
        self._callers: dict[str, Caller] = {}
        self._lock = threading.Lock()

    def walk(self, hops: Sequence[str]) -> list[str]:
        """Call the first of `hops`, which calls the others; returns the services that answered,
        empty without hops. Raises `Invalid` for a service that is not in `HOPS` or named twice,
        and what `Caller.request` raises."""
        if not set(hops) <= set(HOPS) or len(set(hops)) != len(hops):
            raise Invalid(f"the hops of a chain are different services out of {', '.join(HOPS)}")
        if not hops:
            return []
        first, *rest = hops
        with self._lock:
            if first not in self._callers:
                self._callers[first] = self._caller(first, POLICY)
            caller = self._callers[first]
        response = caller.request("GET", PATH, params={"hops": ",".join(rest)})
        return read_reply(response, Enrichment, first).services


def chain_router(chassis: Chassis, wait: Callable[[float], None] = time.sleep) -> APIRouter:
    """The route `GET /v1/chain?hops=a,b`: enrich for `milliseconds_per_hop`, then wait for the
    chain of a and b. Every service includes it in its app. `wait` takes seconds."""
    router = APIRouter(tags=["chain"])
    chain = Chain(chassis.caller)

    @router.get(PATH)
    def enrich(hops: str = "") -> Enrichment:
        """Add this service's part, then ask the services of `hops`, each through the one before."""
        parameters = chassis.faults.active(FAULT)
        if parameters is not None:
            chassis.faults.acted(FAULT)
            wait(float(parameters["milliseconds_per_hop"]) / 1000)
        behind = chain.walk([hop for hop in hops.split(",") if hop])
        return Enrichment(services=[chassis.settings.service_name, *behind])

    return router
