"""The connection pool of a database: waiting for a connection is a span, and is measured."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.metrics import Meter
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from sqlalchemy import Connection, Engine, event, exc

from shop.chassis.durations import DATABASE_BOUNDARIES, seconds_histogram
from shop.chassis.errors import DependencyUnavailable

NOTICEABLE_SECONDS = 0.001


class ConnectionPool:
    """The pool of one engine. `name` names it in spans and metrics, and in what callers are told
    when it has nothing left.

    One place for each of `size` connections is given out here, before SQLAlchemy's own pool is
    asked for one, which so never waits. A slow hand-over on a busy machine would look like a wait
    from outside; here it is known who had to wait for a place and who did not.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        size: int,
        timeout_seconds: float,
        tracer: Tracer,
        meter: Meter,
    ) -> None:
        self._engine = engine
        self._name = name
        self._size = size
        self._timeout_seconds = timeout_seconds
        self._places = threading.BoundedSemaphore(size)
        self._tracer = tracer
        self._about = {"db.client.connection.pool.name": name}
        self._idle = self._about | {"db.client.connection.state": "idle"}
        self._used = self._about | {"db.client.connection.state": "used"}
        # A connection is opened on the thread that asked for one.
        self._opening = threading.local()

        prefix = "db.client.connection."
        self._count = meter.create_up_down_counter(
            prefix + "count", "{connection}", "Connections of the pool, by state."
        )
        self._pending = meter.create_up_down_counter(
            prefix + "pending_requests", "{request}", "Requests that wait for a connection."
        )
        self._timeouts = meter.create_counter(
            prefix + "timeouts", "{timeout}", "Requests that waited for a connection in vain."
        )
        self._wait_time = seconds_histogram(
            meter,
            prefix + "wait_time",
            "How long requests waited for a connection.",
            DATABASE_BOUNDARIES,
        )
        self._create_time = seconds_histogram(
            meter,
            prefix + "create_time",
            "How long it took to open a connection.",
            DATABASE_BOUNDARIES,
        )
        self._use_time = seconds_histogram(
            meter, prefix + "use_time", "How long connections were kept.", DATABASE_BOUNDARIES
        )
        self._max = meter.create_up_down_counter(
            prefix + "max", "{connection}", "Connections the pool may open."
        )
        self._max.add(self._size, self._about)

        event.listen(engine, "do_connect", self._before_open)
        event.listen(engine, "connect", self._opened)
        event.listen(engine.pool, "close", self._closed)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for the time of the block. Raises `DependencyUnavailable` when none comes
        free in time, or none can be opened."""
        connection = self.acquire()
        begin = time.perf_counter()
        try:
            yield connection
        finally:
            self._use_time.record(time.perf_counter() - begin, self._about)
            self.give_back(connection)

    def acquire(self) -> Connection:
        """Take a connection out of the pool; whoever calls this calls `give_back`."""
        self._take_place()
        try:
            connection = self._engine.connect()
        # What a listener meets while it prepares a new connection comes unwrapped.
        except (exc.DBAPIError, sqlite3.Error) as error:
            self._places.release()
            raise DependencyUnavailable(
                f"{self._name} database", f"the database {self._name} takes no connection"
            ) from error
        except BaseException:
            self._places.release()
            raise
        self._count.add(-1, self._idle)
        self._count.add(1, self._used)
        return connection

    def give_back(self, connection: Connection) -> None:
        """Return what `acquire` gave; what was not committed is rolled back."""
        try:
            connection.close()
        finally:
            self._count.add(-1, self._used)
            self._count.add(1, self._idle)
            self._places.release()

    def leak(self, count: int) -> ConnectionLeak:
        """Keep up to `count` connections from everybody else, until released."""
        return ConnectionLeak(self, count)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._engine.dispose()
        self._max.add(-self._size, self._about)

    def _take_place(self) -> None:
        if self._places.acquire(blocking=False):
            self._wait_time.record(0.0, self._about)
            return
        begin_unix_nano, begin = time.time_ns(), time.perf_counter()
        self._pending.add(1, self._about)
        has_place = self._places.acquire(timeout=self._timeout_seconds)
        self._pending.add(-1, self._about)
        waited = time.perf_counter() - begin
        self._wait_time.record(waited, self._about)
        if has_place:
            if waited > NOTICEABLE_SECONDS:
                self._write_wait(begin_unix_nano, None)
            return
        self._timeouts.add(1, self._about)
        failure = DependencyUnavailable(
            f"{self._name} database",
            f"no connection of the pool {self._name} came free: {self._size} are in use",
        )
        self._write_wait(begin_unix_nano, failure)
        raise failure

    def _write_wait(self, begin_unix_nano: int, failure: DependencyUnavailable | None) -> None:
        if not is_instrumentation_enabled():
            return
        span = self._tracer.start_span(
            "db.pool.acquire",
            kind=SpanKind.INTERNAL,
            attributes=self._about,
            start_time=begin_unix_nano,
        )
        if failure:
            span.set_attribute("error.type", type(failure).__qualname__)
            span.set_status(Status(StatusCode.ERROR, str(failure)))
        span.end()

    def _before_open(self, *_: object) -> None:
        self._opening.begin = time.perf_counter()

    def _opened(self, *_: object) -> None:
        self._create_time.record(time.perf_counter() - self._opening.begin, self._about)
        self._count.add(1, self._idle)

    def _closed(self, *_: object) -> None:
        self._count.add(-1, self._idle)


class ConnectionLeak:
    """Connections that were taken and are not given back, until released."""

    def __init__(self, pool: ConnectionPool, count: int) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._connections: list[Connection] = []
        for _ in range(count):
            try:
                self._connections.append(pool.acquire())
            except DependencyUnavailable:
                break

    @property
    def held(self) -> int:
        """How many connections the leak holds."""
        return len(self._connections)

    def release(self) -> None:
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            self._pool.give_back(connection)

    def __enter__(self) -> ConnectionLeak:
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()
