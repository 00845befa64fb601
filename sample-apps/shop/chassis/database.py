"""The database of one service, on SQLite or PostgreSQL: `ports.Database` over SQLAlchemy Core.

Both behave alike. A read sees what was committed when it ran, as PostgreSQL's read committed has
it. On SQLite (in WAL mode) the first statement that writes makes the transaction the only writer
until its end, so it never fails half-way because somebody else wrote first; what it waits for
that shows in the span of the statement, where PostgreSQL shows the wait for a row lock.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from sqlalchemy import Connection, Engine, TextClause, create_engine, event, exc, make_url, text
from sqlalchemy.pool import QueuePool

from shop.chassis.db_spans import StatementSpans, statement_of
from shop.chassis.errors import Conflict, DependencyUnavailable
from shop.chassis.pool import ConnectionLeak, ConnectionPool
from shop.chassis.ports import Row, Transaction
from shop.chassis.settings import Settings
from shop.chassis.slow_statements import SlowStatements, StatementDelay

LOCK_SECONDS = 5.0
"""How long a statement waits for what somebody else is writing."""
CONNECT_SECONDS = 5
# Any number, the same for every instance: whoever holds it creates the tables.
SCHEMA_LOCK = 7_203_118


class SqlDatabase:
    """A database with a pool of connections, whose statements are spans."""

    def __init__(
        self,
        settings: Settings,
        schema: Sequence[str],
        namespace: str = "",
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        """Open the database and run `schema`, idempotent statements, while no other instance
        does. `namespace` is `db.namespace` and the name of the pool; unless given it is the
        name of the service without "-service". Raises `DependencyUnavailable`."""
        self.namespace = namespace or settings.database_namespace
        self._engine = _engine(settings)
        tracer = trace.get_tracer("shop.database", tracer_provider=tracer_provider)
        meter = metrics.get_meter("shop.database", meter_provider=meter_provider)
        about: dict[str, str | int] = {
            "db.system.name": self._engine.dialect.name,
            "db.namespace": self.namespace,
        }
        if self._engine.url.host:
            about["server.address"] = self._engine.url.host
            about["server.port"] = self._engine.url.port or 5432
        self._spans = StatementSpans(tracer, meter, about)
        self._slow = SlowStatements()
        self._pool = ConnectionPool(
            self._engine,
            self.namespace,
            settings.database_pool_size,
            settings.database_pool_timeout_seconds,
            tracer,
            meter,
        )
        with suppress_instrumentation(), self.transaction() as transaction:
            if self._engine.dialect.name == "postgresql":
                transaction.execute("SELECT pg_advisory_xact_lock(:lock)", lock=SCHEMA_LOCK)
            for statement in schema:
                transaction.execute(statement)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._pool.connection() as connection:
            yield SqlTransaction(connection, self.namespace, self._spans, self._slow)
            with _plain_errors(self.namespace):
                connection.commit()

    def ready_check(self) -> str:
        try:
            with suppress_instrumentation(), self.transaction() as transaction:
                transaction.execute("SELECT 1")
        except DependencyUnavailable as error:
            return str(error)
        return ""

    def close(self) -> None:
        self._pool.close()

    def delay_statements(self, prefix: str, seconds: float | Callable[[], float]) -> StatementDelay:
        return self._slow.add(prefix, seconds)

    def leak_connections(self, count: int) -> ConnectionLeak:
        return self._pool.leak(count)


class SqlTransaction:
    """One transaction on one connection of the pool."""

    def __init__(
        self, connection: Connection, namespace: str, spans: StatementSpans, slow: SlowStatements
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._spans = spans
        self._slow = slow

    def execute(self, sql: str, /, **parameters: Any) -> Sequence[Row]:
        statement = statement_of(sql)
        with _plain_errors(self._namespace), self._spans.statement(statement) as span:
            driver = self._connection.connection.driver_connection
            if (
                isinstance(driver, sqlite3.Connection)
                and statement.is_write
                and not driver.in_transaction
            ):
                driver.execute("BEGIN IMMEDIATE")
            self._slow.wait(statement.name)
            result = self._connection.execute(_clause(sql), parameters)
            if not result.returns_rows:
                return []
            rows = [dict(row) for row in result.mappings()]
            span.set_attribute("db.response.returned_rows", len(rows))
            return rows


@lru_cache(maxsize=512)
def _clause(sql: str) -> TextClause:
    return text(sql)


def _engine(settings: Settings) -> Engine:
    url = make_url(settings.database_url)
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    connect_args = {}
    if url.get_backend_name() == "postgresql":
        connect_args = {
            "connect_timeout": CONNECT_SECONDS,
            "options": f"-c lock_timeout={round(LOCK_SECONDS * 1000)}",
        }
    engine = create_engine(
        url,
        connect_args=connect_args,
        poolclass=QueuePool,
        pool_size=settings.database_pool_size,
        max_overflow=0,
    )
    if engine.dialect.name == "sqlite":
        if url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # None: sqlite3 begins no transaction by itself, so that reads take no lock and the first
    # write can ask for the one writer's place at once.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {round(LOCK_SECONDS * 1000)}")
    _set_wal(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _set_wal(connection: sqlite3.Connection) -> None:
    # WAL stays with the file. Two processes that both turn it on in a new file get in each
    # other's way, and SQLite does not wait for that lock as it does for others.
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


@contextmanager
def _plain_errors(namespace: str) -> Iterator[None]:
    """Turn what the driver raises into errors of the shop, where they mean something to it."""
    try:
        yield
    except exc.IntegrityError as error:
        raise Conflict(f"the database {namespace} refuses: {error.orig}") from error
    except (exc.DBAPIError, sqlite3.OperationalError) as error:
        if not _is_passing(error):
            raise
        raise DependencyUnavailable(
            f"{namespace} database", f"the database {namespace} does not answer"
        ) from error


def _is_passing(error: exc.DBAPIError | sqlite3.OperationalError) -> bool:
    """Whether the same statement may work later: a lock, a lost connection, a full server."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    if isinstance(cause, sqlite3.OperationalError):
        return cause.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return isinstance(error, exc.OperationalError)
