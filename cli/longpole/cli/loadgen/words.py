"""What made telemetry talks about: services, operations and attributes of a web shop."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from longpole.cli.loadgen.placeholders import Placeholders

# Service, and the operations that it serves.
SERVICES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("gateway", ("GET /", "GET /products/{id}", "POST /cart", "POST /checkout", "GET /orders")),
    ("catalog", ("GET /api/products/{id}", "GET /api/search", "GET /api/recommendations")),
    ("cart", ("GET /api/cart", "POST /api/cart/items", "DELETE /api/cart/items/{id}")),
    ("checkout", ("POST /api/orders", "GET /api/orders/{id}")),
    ("payment", ("POST /api/charges", "POST /api/refunds")),
    ("shipping", ("POST /api/quotes", "POST /api/shipments")),
    ("user", ("GET /api/users/{id}", "POST /api/sessions")),
    ("email", ("process mails", "send mail")),
)  # fmt: skip
DATABASE_CALLS = ("SELECT products", "SELECT orders", "INSERT orders", "UPDATE stock", "GET cart")

Value = str | int | float | bool
# Key and value by the number of a record; the values of each repeat, as those of real spans do.
_COMMON: tuple[tuple[str, Callable[[int], Value]], ...] = (
    ("http.request.method", lambda n: ("GET", "POST", "GET", "DELETE")[n % 4]),
    ("http.response.status_code", lambda n: (200, 200, 200, 201, 200, 404, 200, 500)[n % 8]),
    ("url.path", lambda n: f"/api/products/{n * 7 % 400}"),
    ("server.address", lambda n: f"{SERVICES[n % len(SERVICES)][0]}.shop.svc.cluster.local"),
    ("server.port", lambda n: (8080, 8443, 5432, 6379)[n % 4]),
    ("network.protocol.version", lambda n: "1.1" if n % 3 else "2"),
    ("user_agent.original", lambda n: f"Mozilla/5.0 (X11; Linux x86_64) Shop/{n % 12}.0"),
    ("app.is_cached", lambda n: n % 5 == 0),
    ("app.cart.total", lambda n: round(3.5 + n % 97 * 1.25, 2)),
    ("thread.id", lambda n: n % 64),
    ("thread.name", lambda n: f"worker-{n % 64}"),
    ("code.function.name", lambda n: f"shop.handlers.handle_{n % 40}"),
    ("app.feature_flag.variant", lambda n: ("control", "on", "off")[n % 3]),
)
# Of the first of every five attributes each value is new.
_UNIQUE_EVERY = 5


def attributes(number: int, count: int, made: Placeholders) -> list[KeyValue]:
    """So many attributes of record `number`, one in five of them with a value of its own."""
    found = []
    for place in range(count):
        unique, common = divmod(place, _UNIQUE_EVERY)
        if common == 0:
            key = ("app.request.id", "app.session.id")[unique] if unique < 2 else f"app.id.{unique}"
            found.append(KeyValue(key=key, value=AnyValue(string_value=made.token())))
            continue
        index = place - unique - 1
        if index < len(_COMMON):
            key, value = _COMMON[index]
            found.append(KeyValue(key=key, value=any_value(value(number))))
        else:
            text = f"value-{(number * 31 + index) % 200}"
            found.append(KeyValue(key=f"app.label.{index}", value=AnyValue(string_value=text)))
    return found


def any_value(value: Value) -> AnyValue:
    """The message of a plain value."""
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=value)


def resource(prefix: str, service: str, instance: int) -> Resource:
    """What an SDK says of the process that it runs in."""
    pairs: dict[str, Value] = {
        "service.name": f"{prefix}-{service}",
        "service.version": "1.4.2",
        "service.instance.id": f"{service}-{instance}",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": "1.45.2",
        "deployment.environment.name": "load-test",
        "host.name": f"node-{instance}",
    }
    return Resource(
        attributes=[KeyValue(key=key, value=any_value(value)) for key, value in pairs.items()]
    )
