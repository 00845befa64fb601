"""The telemetry behind the browser tests: a small shop's last hour, the same on every run.

Each `Told` is a trace of which the truth is known; `healthy` ones are made around them so that
pages have something to count. Times end at NOW, where the clock of the server stands still.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from longpole.model.log import LogRecord
from longpole.model.span import AttributeValue, Resource, Scope, Span, SpanEvent, SpanKind

NOW = 1_767_323_045_000_000_000  # 2026-01-02 03:04:05 UTC
MS = 1_000_000
MINUTE = 60_000 * MS
_INTERNAL, _SERVER, _CLIENT = SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CLIENT
_SCOPE = Scope("shop.instrumentation", "1.4.0")


@dataclass(frozen=True, slots=True)
class Told:
    """One trace and what is true of it; `detector` is empty for a healthy one."""

    name: str
    trace_id: int
    spans: tuple[Span, ...]
    service: str = ""
    operation: str = ""
    detector: str = ""

    @property
    def hex(self) -> str:
        """The id as addresses have it."""
        return f"{self.trace_id:032x}"


class Teller:
    """Collects the spans of one trace; times are milliseconds after its begin."""

    def __init__(self, number: int, ago_ns: int) -> None:
        self.trace_id = random.Random(number).getrandbits(128)
        self._first_id = (number + 1) << 20
        self._begin = NOW - ago_ns
        self.spans: list[Span] = []

    def add(
        self,
        parent: int,
        start: float,
        end: float,
        service: str,
        name: str,
        kind: int = _INTERNAL,
        error: str = "",
        events: tuple[str, ...] = (),
        **attributes: AttributeValue,
    ) -> int:
        """One span; `__` in the name of an attribute stands for a dot. Returns its id."""
        span_id = self._first_id + len(self.spans)
        begin = self._begin + round(start * MS)
        self.spans.append(
            Span(
                self.trace_id, span_id, parent, name, int(kind), begin,
                self._begin + round(end * MS), service, 2 if error else 0, error,
                {key.replace("__", "."): value for key, value in attributes.items()},
                tuple(SpanEvent(begin + MS, text) for text in events),
                resource=_resource(service), scope=_SCOPE,
            )
        )  # fmt: skip
        return span_id

    def call(
        self, parent: int, start: float, end: float, caller: str, callee: str, name: str,
        error: str = "", **attributes: AttributeValue,
    ) -> int:  # fmt: skip
        """A CLIENT span and the SERVER span that answers it; returns the latter's id."""
        method, _, path = name.partition(" ")
        http: Mapping[str, AttributeValue] = {
            "http__request__method": method, "url__path": path, "server__address": callee,
        }  # fmt: skip
        client = self.add(
            parent, start, end, caller, name, _CLIENT, error, (), **http, **attributes
        )
        return self.add(
            client, start + 0.4, end - 0.4, callee, name, _SERVER, error, (), **http, **attributes
        )

    def query(self, parent: int, start: float, end: float, service: str, text: str) -> int:
        """A query of PostgreSQL, named after its verb and table."""
        words = text.replace(",", " ").split()
        table = words[words.index("FROM") + 1] if "FROM" in words else words[1]
        return self.add(
            parent, start, end, service, f"{words[0]} {table}", _CLIENT, "", (),
            db__system__name="postgresql", db__namespace="shop", db__query__text=text,
        )  # fmt: skip


def _resource(service: str) -> Resource:
    host = f"node-{'abc'[len(service) % 3]}"
    return Resource(
        {"service.name": service, "service.version": "1.4.0", "host.name": host,
         "deployment.environment.name": "prod"}
    )  # fmt: skip


def _checkout(t: Teller, total: float, chance: random.Random) -> tuple[int, int]:
    """The beginning of every order: the root and the order service's span."""
    root = t.add(0, 0, total, "gateway", "POST /checkout", _SERVER,
                 http__request__method="POST", http__route="/checkout",
                 http__response__status_code=200, user__id=f"u-{chance.randrange(90)}")  # fmt: skip
    user = t.call(root, 1, 9, "gateway", "user-service", "GET /session")
    t.query(user, 2.5, 7, "user-service", "SELECT id, name FROM sessions WHERE token = $1")
    order = t.call(root, 10, total - 2, "gateway", "order-service", "POST /orders")
    t.query(order, 11, 15, "order-service", "INSERT orders VALUES ($1, $2)")
    return root, order


def healthy(number: int, ago_ns: int) -> Told:
    """An order as it should be: about 60 ms."""
    chance, t = random.Random(number), Teller(number, ago_ns)
    pay = 18 + chance.random() * 14
    _, order = _checkout(t, pay + 34, chance)
    stock = t.call(order, 15.5, 15.5 + pay / 2, "order-service", "inventory", "POST /reserve")
    t.query(stock, 16.5, 15 + pay / 2, "inventory", "SELECT sku, left FROM stock WHERE sku = $1")
    charge = t.call(order, 16 + pay / 2, 22 + pay, "order-service", "payment", "POST /charge")
    t.add(charge, 17 + pay / 2, 21 + pay, "payment", "POST api.bank.example", _CLIENT, "", (),
          http__request__method="POST", server__address="api.bank.example")  # fmt: skip
    t.add(order, 23 + pay, 30 + pay, "order-service", "render receipt", events=("rendered",))
    return Told(f"healthy-{number}", t.trace_id, tuple(t.spans))


def _n_plus_one(t: Teller, chance: random.Random) -> tuple[str, str]:
    _, order = _checkout(t, 1_480, chance)
    for i in range(48):
        t.query(order, 20 + i * 29.5, 48.5 + i * 29.5, "order-service",
                "SELECT id, price FROM order_lines WHERE order_id = $1")  # fmt: skip
    return "order-service", "SELECT order_lines"


def _slow_query(t: Teller, chance: random.Random) -> tuple[str, str]:
    _, order = _checkout(t, 2_700, chance)
    charge = t.call(order, 16, 2_690, "order-service", "payment", "POST /charge")
    t.query(charge, 18, 2_660, "payment", "SELECT * FROM card_history WHERE card = $1")
    return "payment", "SELECT card_history"


def _retry_storm(t: Teller, chance: random.Random) -> tuple[str, str]:
    _, order = _checkout(t, 1_060, chance)
    for i in range(6):
        t.call(order, 16 + i * 170, 184 + i * 170, "order-service", "inventory", "POST /reserve",
               "" if i == 5 else "503 Service Unavailable",
               http__response__status_code=200 if i == 5 else 503)  # fmt: skip
    return "order-service", "POST /reserve"


def _straggler(t: Teller, chance: random.Random) -> tuple[str, str]:
    root = t.add(0, 0, 930, "gateway", "GET /search", _SERVER, http__request__method="GET")
    search = t.call(root, 2, 925, "gateway", "search", "GET /query")
    for i in range(24):
        took = 900 if i == 17 else 35 + chance.random() * 12
        t.call(search, 5, 5 + took, "search", f"shard-{i % 4}", f"GET /shard/{i}")
    return "search", "GET /query"


def _gap(t: Teller, chance: random.Random) -> tuple[str, str]:
    _, order = _checkout(t, 1_250, chance)
    stock = t.call(order, 16, 1_240, "order-service", "inventory", "POST /reserve")
    t.query(stock, 20, 30, "inventory", "SELECT sku, left FROM stock WHERE sku = $1")
    # Then a lock that nobody instrumented.
    t.query(stock, 1_220, 1_235, "inventory", "UPDATE stock SET left = left - 1")
    return "inventory", "POST /reserve"


def _timeout(t: Teller, chance: random.Random) -> tuple[str, str]:
    _, order = _checkout(t, 1_040, chance)
    client = t.add(order, 16, 1_016, "order-service", "POST /ship", _CLIENT,
                   "deadline exceeded", (), http__request__method="POST",
                   server__address="shipping", error__type="ReadTimeout")  # fmt: skip
    server = t.add(client, 17, 1_700, "shipping", "POST /ship", _SERVER)
    t.add(server, 20, 1_690, "shipping", "plan route")
    return "order-service", "POST /ship"


def _cold_start(t: Teller, chance: random.Random) -> tuple[str, str]:
    root = t.add(0, 0, 1_900, "gateway", "GET /home", _SERVER, http__request__method="GET")
    pick = t.call(root, 3, 1_890, "gateway", "recommendation", "GET /recommendations")
    t.add(pick, 5, 1_800, "recommendation", "load model")
    t.add(pick, 1_801, 1_880, "recommendation", "rank")
    return "recommendation", "load model"


Plot = Callable[[Teller, random.Random], tuple[str, str]]
PLOTS: dict[str, tuple[str, Plot]] = {
    "n-plus-one": ("n_plus_one_db", _n_plus_one),
    "slow-query": ("slow_db_query", _slow_query),
    "retry-storm": ("retry_storm", _retry_storm),
    "straggler": ("excessive_fanout", _straggler),
    "gap": ("uninstrumented_gap", _gap),
    "timeout": ("client_timeout", _timeout),
    "cold-start": ("cold_start", _cold_start),
}


def told(name: str, number: int = -1, ago_ns: int = 0) -> Told:
    """A trace of a plot; without more words the one of SHOP, some minutes ago."""
    if number < 0:
        number = list(PLOTS).index(name)
        ago_ns = (number + 2) * MINUTE
    detector, plot = PLOTS[name]
    t = Teller(number, ago_ns)
    service, operation = plot(t, random.Random(number))
    return Told(name, t.trace_id, tuple(t.spans), service, operation, detector)


FAULTY = tuple(told(name) for name in PLOTS)
HEALTHY = tuple(healthy(100 + i, MINUTE + i * 50_000 * MS) for i in range(60))
SHOP = (*FAULTY, *HEALTHY)


def logs_of(stories: Sequence[Told]) -> list[LogRecord]:
    """A line of every healthy order, and what the faulty ones complained about."""
    records = []
    for story in stories:
        root, last = story.spans[0], story.spans[-1]
        severity, text = (9, "INFO") if not story.detector else (13, "WARN")
        records.append(
            LogRecord(
                time_unix_nano=last.start_unix_nano, observed_time_unix_nano=last.start_unix_nano,
                trace_id=story.trace_id, span_id=last.span_id, severity_number=severity,
                severity_text=text, service_name=last.service_name, resource=last.resource,
                scope=_SCOPE, body=f"{last.name} of {root.name} after {len(story.spans)} steps",
            )
        )  # fmt: skip
    return records
