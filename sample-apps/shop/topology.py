"""The topology: which services there are, and what `python -m shop up` starts where."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shop.chassis.chassis import Chassis, Parts

SERVICES = {
    "gateway": "shop.gateway.service",
    "user-service": "shop.user.service",
    "order-service": "shop.order.service",
    "payment-service": "shop.payment.service",
    "inventory-service": "shop.inventory.service",
    "shipping-service": "shop.shipping.service",
    "notification-service": "shop.notification.service",
    "recommendation-service": "shop.recommendation.service",
}
"""The module with the `build` of each service, by service.name."""

MONOLITH = "monolith"
MONOLITH_SERVICE = "shop-monolith"

PLATFORM = ("registry", "broker", "outside")
"""What a platform brings: not traced, started with the services, stopped after them."""

VERSION = "1.4.0"
CANARY_VERSION = "1.5.0"

# service, number of the instance, host, version, weight
_INSTANCES = (
    ("gateway", 1, "node-a", VERSION, 100),
    ("order-service", 1, "node-a", VERSION, 100),
    ("recommendation-service", 1, "node-a", VERSION, 80),
    ("user-service", 1, "node-b", VERSION, 100),
    ("payment-service", 1, "node-b", VERSION, 100),
    ("inventory-service", 1, "node-b", VERSION, 100),
    ("recommendation-service", 2, "node-b", CANARY_VERSION, 20),
    ("inventory-service", 2, "node-d", VERSION, 100),
    ("shipping-service", 1, "node-c", VERSION, 100),
    ("notification-service", 1, "node-c", VERSION, 100),
)


# Charges wait for their query with a connection in hand. A slow one must show as a slow query,
# not as a wait for a place in the pool.
_POOL_SIZES = {"payment-service": "24"}

# The sagas of order-service belong to the id of their instance, whichever process it is; and by
# ids that end in -2 a fault finds its instance.
_RENAMED = frozenset({"recommendation-service"})


@dataclass(frozen=True, slots=True)
class ProcessPlan:
    """One process to start: what it runs, and the environment that tells it everything else."""

    name: str
    program: str
    environment: Mapping[str, str]
    # Nothing is kept under the id of the instance, so each of its processes can have its own.
    is_renamed: bool = False

    def in_life(self, number: int) -> ProcessPlan:
        """The plan of the process that is started as the `number`-th one, from 1 on."""
        if number == 1 or not self.is_renamed:
            return self
        own = {"SHOP_INSTANCE_ID": f"{self.environment['SHOP_INSTANCE_ID']}-life-{number}"}
        return replace(self, environment={**self.environment, **own})


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the fixed points of the shop are, as http://host:port."""

    gateway: str
    registry: str
    broker: str
    outside: str


def plan_local(
    addresses: Addresses,
    data_dir: Path,
    jwt_secret: str,
    labels_file: str = "",
    otlp_endpoint: str = "",
) -> Sequence[ProcessPlan]:
    """Everything that runs on one machine, in the order of starting. Each service has a database
    file of its own; the instances of one service share theirs."""
    shared = {
        "SHOP_DATA_DIR": str(data_dir),
        "SHOP_REGISTRY_URL": addresses.registry,
        "SHOP_DISCOVERY": "registry",
        "SHOP_BROKER": addresses.broker,
        "SHOP_OUTSIDE_URL": addresses.outside,
        "SHOP_JWT_SECRET": jwt_secret,
        # The defaults, whatever the environment says for a single process.
        "SHOP_DATABASE_URL": "",
        "SHOP_LISTEN": "127.0.0.1:0",
        "SHOP_GRPC_LISTEN": "127.0.0.1:0",
        "SHOP_ADVERTISE_HOST": "",
        "SHOP_ORDER_DATABASE_URL": f"sqlite:///{data_dir / 'order.db'}",
        "SHOP_LABELS_FILE": labels_file,
    }
    if otlp_endpoint:
        shared["OTEL_EXPORTER_OTLP_ENDPOINT"] = otlp_endpoint
    plans = [
        ProcessPlan(
            name,
            name,
            {**shared, "SHOP_SERVICE_NAME": name, "SHOP_INSTANCE_ID": name, "SHOP_VERSION": ""},
        )
        for name in PLATFORM
    ]
    for service, number, host, version, weight in _INSTANCES:
        name = f"{service}-{number}"
        own = {
            "SHOP_SERVICE_NAME": service,
            "SHOP_INSTANCE_ID": name,
            "SHOP_HOST_NAME": host,
            "SHOP_VERSION": version,
            "SHOP_WEIGHT": str(weight),
            "SHOP_DATABASE_POOL_SIZE": _POOL_SIZES.get(service, "5"),
        }
        plans.append(ProcessPlan(name, service, {**shared, **own}, service in _RENAMED))
    return plans


def build_of(service: str) -> Callable[[Chassis], Parts]:
    """The `build` of a service's package, or the monolith's. Raises KeyError for another name."""
    module = "shop.monolith" if service == MONOLITH else SERVICES[service]
    build: Callable[[Chassis], Parts] = importlib.import_module(module).build
    return build
