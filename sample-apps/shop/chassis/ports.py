"""Ports: what the business code of a service may ask of the world around it.

All calls block; services run their requests on threads. In a service of its own the ports reach
over the network, in the monolith they stay in the process.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import httpx

FaultParameters: TypeAlias = Mapping[str, int | float | str | bool]


@dataclass(frozen=True, slots=True)
class Instance:
    """One running instance of a service. `http` and `grpc` are host:port, `grpc` empty when it
    speaks none. `weight` is its share of the traffic among the instances of its service."""

    service: str
    instance_id: str
    version: str
    host_name: str
    http: str
    grpc: str = ""
    weight: int = 100


class Discovery(Protocol):
    """Where services run."""

    def instances(self, service: str) -> Sequence[Instance]:
        """The live instances in a stable order; empty when none is known. Answers from memory;
        when the registry cannot be reached, the last answer goes on."""
        ...


class Faults(Protocol):
    """Which faults are on for this instance."""

    def active(self, name: str) -> FaultParameters | None:
        """The parameters of a fault that is on, else None. Answers from memory, so that code
        may ask on every request. Raises KeyError for a name that `faults.toml` lacks."""
        ...

    def acted(self, name: str, trace_id: int = 0) -> None:
        """Called where the fault has just made a request other than it would have been: note its
        trace, by default the one under way, for the registry's ledger. Nothing of it is in the
        telemetry. Never blocks, never fails; without a trace nothing is noted."""
        ...


class Flags(Protocol):
    """Feature flags."""

    def variant(self, key: str, default: str, user_id: str = "") -> str:
        """The variant for this user: the same user gets the same one while the flag's rollout
        stays. The evaluation is written on the current span."""
        ...


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """How a dependency is called. Every call passes, from outside in: the bulkhead, the retries
    (with exponential backoff and full jitter), the breaker, the choice of an instance, the
    timeout of one attempt."""

    timeout_seconds: float = 2.0
    max_attempts: int = 3
    backoff_seconds: float = 0.05
    backoff_max_seconds: float = 1.0
    breaker_failures: int = 5
    breaker_open_seconds: float = 5.0
    bulkhead_calls: int = 16
    bulkhead_wait_seconds: float = 0.0
    # For the faults: how much longer every attempt is under way, as if the dependency were far off.
    distance_seconds: float = 0.0


# Asked anew for every call when it is a function, so that a policy can change while it is used.
PolicySource: TypeAlias = CallPolicy | Callable[[], CallPolicy]


class Caller(Protocol):
    """One dependency, reached over HTTP."""

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str = "",
    ) -> httpx.Response:
        """The answer, of status below 400. `path` is a template as the route has it, say
        `/v1/users/{user_id}`: each name in braces is filled from `params` (percent-encoded),
        and the other `params` become the query; so spans are named without ids. GET, HEAD, PUT
        and DELETE, and whatever has an idempotency key, are retried on `is_retryable` errors;
        others are sent once.

        Raises the class of `errors` that a problem document names, `NotFound` and the like,
        or a `DependencyError`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `key` orders events (same key, same order), `data` is JSON."""

    type: str
    key: str
    data: Mapping[str, Any]
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event as it is handed to a consumer; `attempt` counts from 1."""

    event: Event
    topic: str
    group: str
    attempt: int
    published_unix_nano: int


class Events(Protocol):
    """The broker. At least once: a consumer may see an event twice and must not mind."""

    def publish(self, topic: str, event: Event) -> None:
        """Durable when this returns. The trace context travels with it. Raises
        `DependencyError`; then it may or may not be published."""
        ...

    def subscribe(
        self,
        topic: str,
        group: str,
        handler: Callable[[Delivery], None],
        *,
        types: Collection[str] = (),
    ) -> None:
        """Handle events of these types (empty: all), one after the other, on a thread of this
        group; others are acknowledged unseen. The span `process` is a child of the publishing
        span. A handler that raises gets the event again after a pause, and after five attempts
        it goes to the topic `<topic>.dead`. Starts with `start`."""
        ...

    def subscribe_batches(
        self,
        topic: str,
        group: str,
        handler: Callable[[Sequence[Delivery]], None],
        *,
        max_events: int = 20,
    ) -> None:
        """As `subscribe`, many at a time: one span `process` linked to every publishing span."""
        ...

    def start(self) -> None:
        """Begin to receive."""
        ...

    def stop(self) -> None:
        """Finish the events in hand, give the others back."""
        ...


Row: TypeAlias = Mapping[str, Any]


class Transaction(Protocol):
    """One database transaction on one connection."""

    def execute(self, sql: str, /, **parameters: Any) -> Sequence[Row]:
        """Run one statement with `:name` parameters; its rows, if it has any. SQL is written to
        work on SQLite and PostgreSQL alike."""
        ...


class Hold(Protocol):
    """Something that lasts until it is let go, or until the end of a `with` block."""

    def release(self) -> None:
        """Let go; a second time does nothing."""
        ...

    def __enter__(self) -> Hold: ...

    def __exit__(self, *exception: object) -> None: ...


class Database(Protocol):
    """The database that this service owns, and nobody else opens."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Commits at the end, rolls back on an error. Waits for a free connection of the pool
        (a span of its own when it has to) and raises `DependencyUnavailable` when none comes,
        `Conflict` when a constraint of a table forbids what was written."""
        ...

    def ready_check(self) -> str:
        """What keeps the database from answering, or an empty string: for `/readyz`."""
        ...

    def close(self) -> None:
        """Close every connection that is not in use; nothing can be asked afterwards."""
        ...

    def delay_statements(self, prefix: str, seconds: float | Callable[[], float]) -> Hold:
        """For the faults: from now on each statement whose span name begins with `prefix`, such
        as "SELECT orders", takes that much longer inside the database, its connection occupied.
        A callable is asked anew for every statement; 0 delays nothing."""
        ...

    def leak_connections(self, count: int) -> Hold:
        """For the faults: take up to `count` connections out of the pool and keep them. Waits
        for each at most as long as a transaction would, and goes without those that never came
        free."""
        ...
