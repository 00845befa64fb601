"""The world of order-service: the other services as their contracts have them, each call noted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel

from shop import events
from shop.chassis.database import SqlDatabase
from shop.chassis.errors import NotFound
from shop.chassis.ports import Event, FaultParameters
from shop.chassis.settings import Settings
from shop.inventory.contract import Line, Product, Reservation
from shop.order.contract import OrderRequest
from shop.order.logic import OrderLogic
from shop.order.saga import UndoPolicy
from shop.order.tables import SCHEMA
from shop.payment.contract import Charge, ChargeRequest
from shop.shipping.contract import Shipment
from shop.user.contract import Address, Credentials, Session, User

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

STEPS = ("charge", "reserve", "email", "ship")
REQUEST = OrderRequest(lines=[Line(sku="sku-1", quantity=2)], card_token="card-1")


class Switches:
    """Faults, switched by hand."""

    def __init__(self) -> None:
        self.on: dict[str, FaultParameters] = {}

    def active(self, name: str) -> FaultParameters | None:
        return self.on.get(name)

    def acted(self, name: str, trace_id: int = 0) -> None:
        assert name in self.on


class World:
    """Everybody order-service deals with. `calls` has the name of every call that came, in order.
    `fails` says what a call raises: an error for always, or a list of them that is used up (None
    in it: goes well). An effect that `happens_anyway` comes about although the call raises."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fails: dict[str, Exception | list[Exception | None]] = {}
        self.happens_anyway: set[str] = set()
        self.before: dict[str, Callable[[], None]] = {}
        self.charges: dict[str, Charge] = {}
        self.reservations: dict[str, Reservation] = {}
        self.shipments: dict[str, Shipment] = {}
        self.emails: list[str] = []
        self.published: list[tuple[str, Event]] = []
        self._lock = threading.Lock()

    def told(self, type: str) -> list[Event]:
        """The published events of a type."""
        return [event for _, event in self.published if event.type == type]

    # Payments

    def charge(self, request: ChargeRequest) -> Charge:
        key = request.idempotency_key
        new = Charge(
            charge_id=f"of-{key}",
            order_id=request.order_id,
            amount_cents=request.amount_cents,
            currency=request.currency,
            status="captured",
        )
        return self._do("charge", lambda: self.charges.setdefault(key, new))

    def refund(self, charge_id: str, idempotency_key: str) -> Charge:
        return self._do("refund", lambda: _changed(self.charges, charge_id, "refunded"))

    # Inventory

    def products(self, limit: int) -> list[Product]:
        return [self.product(f"sku-{n}") for n in range(1, limit + 1)]

    def product(self, sku: str) -> Product:
        if sku == "sku-unknown":
            raise NotFound(sku)
        return self._do(
            "product", lambda: Product(sku=sku, name="Lamp", price_cents=250, in_stock=9)
        )

    def reserve(self, order_id: str, lines: Sequence[Line], idempotency_key: str) -> Reservation:
        new = Reservation(
            reservation_id=f"of-{idempotency_key}",
            order_id=order_id,
            lines=list(lines),
            status="reserved",
        )
        return self._do("reserve", lambda: self.reservations.setdefault(idempotency_key, new))

    def release(self, reservation_id: str) -> Reservation:
        return self._do("release", lambda: _changed(self.reservations, reservation_id, "released"))

    # Shipping

    def schedule(
        self, order_id: str, address: Address, lines: Sequence[Line], idempotency_key: str
    ) -> Shipment:
        new = Shipment(
            shipment_id=f"of-{idempotency_key}",
            order_id=order_id,
            carrier="carrier",
            tracking_code="T-1",
            status="scheduled",
        )
        return self._do("ship", lambda: self.shipments.setdefault(idempotency_key, new))

    def cancel(self, shipment_id: str) -> Shipment:
        return self._do("cancel", lambda: _changed(self.shipments, shipment_id, "cancelled"))

    # Users

    def login(self, credentials: Credentials) -> Session:
        raise AssertionError("nobody logs in here")

    def user(self, user_id: str) -> User:
        if user_id == "user-unknown":
            raise NotFound(user_id)
        address = Address(street="Way 1", city="Town", country="DE")
        return self._do(
            "user",
            lambda: User(user_id=user_id, email="", name="", tier="standard", address=address),
        )

    # Events

    def publish(self, topic: str, event: Event) -> None:
        template = str(event.data.get("template", ""))
        name = {"order-received": "email", "correction": "correction"}.get(template, event.type)

        def send() -> None:
            self.published.append((topic, event))
            if topic == events.EMAILS:
                self.emails.append(template)

        self._do(name, send)

    def subscribe(self, topic: str, group: str, handler: Any, *, types: Any = ()) -> None: ...

    def subscribe_batches(
        self, topic: str, group: str, handler: Any, *, max_events: int = 20
    ) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def _do(self, name: str, effect: Callable[[], T]) -> T:
        self.before.get(name, lambda: None)()
        with self._lock:
            self.calls.append(name)
            failure = self.fails.get(name)
            if isinstance(failure, list):
                failure = failure.pop(0) if failure else None
            if failure is None:
                return effect()
            if name in self.happens_anyway:
                effect()
            raise failure


class Spans:
    """Finished spans of one provider."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def all(self) -> list[ReadableSpan]:
        """In the order of their starts."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def one(self, name: str) -> ReadableSpan:
        """The only span of this name."""
        (span,) = [span for span in self.all() if span.name == name]
        return span

    def names(self) -> list[str]:
        """Names in the order of the starts."""
        return [span.name for span in self.all()]


class Scene:
    """order-service in its world: one database, one clock that only sleeping moves."""

    def __init__(self, folder: Path, database_url: str = "") -> None:
        self.folder = folder
        self.world = World()
        self.faults = Switches()
        self.spans = Spans()
        self.now = 1_800_000_000.0
        self.slept: list[float] = []
        settings = Settings("order-service", data_dir=folder, database_url=database_url)
        self.database = SqlDatabase(settings, SCHEMA, tracer_provider=self.spans.provider)
        self.logic = self.instance("order-service-1")

    def instance(self, owner: str) -> OrderLogic:
        """Another process with the same database."""
        world = self.world
        return OrderLogic(
            self.database,
            world,
            payments=world,
            inventory=world,
            shipping=world,
            users=world,
            faults=self.faults,
            owner=owner,
            undo=UndoPolicy(attempts=3, pause_seconds=0.1),
            patient=UndoPolicy(attempts=2, pause_seconds=0.5),
            clock=lambda: self.now,
            sleep=self.sleep,
            tracer=self.spans.provider.get_tracer("test"),
        )

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.slept.append(seconds)
        self.now += seconds

    def rows(self, sql: str, **parameters: Any) -> Sequence[Mapping[str, Any]]:
        """What is in the database."""
        with self.database.transaction() as transaction:
            return transaction.execute(sql, **parameters)

    def steps_called(self) -> list[str]:
        """The calls that belong to the saga, without the look-ups before it."""
        return [name for name in self.world.calls if name not in ("product", "user")]


@contextmanager
def scene(folder: Path, database_url: str = "") -> Iterator[Scene]:
    """A scene for the time of the block."""
    made = Scene(folder, database_url)
    try:
        yield made
    finally:
        made.logic.close()
        made.database.close()


def _changed(kept: dict[str, M], thing_id: str, status: str) -> M:
    for key, thing in kept.items():
        if thing_id == f"of-{key}":
            kept[key] = thing.model_copy(update={"status": status})
            return kept[key]
    raise NotFound(thing_id)
