"""Waiting for a connection is seen, measured, and has an end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from unittest.mock import Mock

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from shop.chassis.database import SqlDatabase
from shop.chassis.errors import DependencyUnavailable
from tests.shop.database.benches import Bench, seconds_of

NAME = {"db.client.connection.pool.name": "payment"}
IDLE = {"db.client.connection.state": "idle"}
USED = {"db.client.connection.state": "used"}


def until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not claim():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


def ask(database: SqlDatabase) -> None:
    with database.transaction() as transaction:
        transaction.execute("SELECT 1")


def test_a_free_connection_leaves_no_trace_of_its_pool(at: Bench) -> None:
    database = at.open()
    ask(database)
    assert at.names() == ["SELECT"]


def test_a_hand_over_that_a_busy_machine_delays_is_no_wait(
    at: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = at.open(pool_size=2)
    connect = Engine.connect

    def slowly(engine: Engine) -> Connection:
        time.sleep(0.02)
        return connect(engine)

    monkeypatch.setattr(Engine, "connect", slowly)
    ask(database)
    assert at.names() == ["SELECT"]


def test_opening_the_first_connections_is_no_wait(at: Bench) -> None:
    database = at.open(pool_size=3)
    with database.transaction(), database.transaction(), database.transaction():
        pass
    assert "db.pool.acquire" not in at.names()
    assert at.metric("db.client.connection.create_time", **NAME) == 3


def test_a_wait_for_a_connection_is_a_span_of_the_one_who_waits(at: Bench) -> None:
    database = at.open(pool_size=2)
    leak = database.leak_connections(2)
    assert leak.held == 2
    tracer = at.tracers.get_tracer("test")

    def waiting() -> None:
        with tracer.start_as_current_span("request"):
            ask(database)

    thread = threading.Thread(target=waiting)
    thread.start()
    until(lambda: at.metric("db.client.connection.pending_requests", **NAME) == 1)
    time.sleep(0.02)
    leak.release()
    thread.join()

    wait, statement, request = (
        at.span("db.pool.acquire"),
        at.span("SELECT"),
        at.span("request"),
    )
    assert wait.kind is SpanKind.INTERNAL
    assert dict(wait.attributes or {}) == NAME
    assert wait.status.status_code is StatusCode.UNSET
    assert seconds_of(wait) >= 0.02
    assert wait.parent is not None
    assert request.context is not None
    assert wait.parent.span_id == request.context.span_id
    assert wait.end_time is not None
    assert statement.start_time is not None
    assert wait.end_time <= statement.start_time
    assert at.metric("db.client.connection.pending_requests", **NAME) == 0


def test_whoever_waits_in_vain_is_told_so_in_time(at: Bench) -> None:
    database = at.open(pool_size=1, pool_timeout_seconds=0.05)
    with database.leak_connections(1):
        with pytest.raises(
            DependencyUnavailable, match="no connection of the pool payment"
        ) as told:
            ask(database)
        assert database.ready_check().startswith("no connection of the pool payment came free")
    assert told.value.dependency == "payment database"
    wait = at.span("db.pool.acquire")
    assert wait.status.status_code is StatusCode.ERROR
    assert (wait.attributes or {})["error.type"] == "DependencyUnavailable"
    assert 0.05 <= seconds_of(wait) < 1
    assert at.metric("db.client.connection.timeouts", **NAME) == 2
    ask(database)


def test_a_leak_takes_what_is_free_and_gives_back_once(at: Bench) -> None:
    database = at.open(pool_size=2, pool_timeout_seconds=0.05)
    with database.transaction():
        leak = database.leak_connections(5)
        assert leak.held == 1
    ask(database)
    leak.release()
    leak.release()
    with database.transaction(), database.transaction():
        assert at.metric("db.client.connection.count", **USED) == 2


def test_the_metrics_count_connections_by_what_they_do(at: Bench) -> None:
    database = at.open(pool_size=3)
    assert at.metric("db.client.connection.max", **NAME) == 3
    assert at.metric("db.client.connection.count", **IDLE) == 1
    with database.transaction(), database.transaction():
        assert at.metric("db.client.connection.count", **USED) == 2
        assert at.metric("db.client.connection.count", **IDLE) == 0
    assert at.metric("db.client.connection.count", **USED) == 0
    assert at.metric("db.client.connection.count", **IDLE) == 2
    assert at.metric("db.client.connection.use_time", **NAME) == 3
    assert at.metric("db.client.connection.wait_time", **NAME) == 3
    database.close()
    assert at.metric("db.client.connection.count", **IDLE) == 0


def test_a_wait_outside_of_any_trace_is_a_span_too(at_sqlite: Bench) -> None:
    database = at_sqlite.open(pool_size=1, pool_timeout_seconds=0.02)
    assert not trace.get_current_span().get_span_context().is_valid
    with database.leak_connections(1), pytest.raises(DependencyUnavailable):
        ask(database)
    assert at_sqlite.names() == ["db.pool.acquire"]


def test_a_connection_that_cannot_be_opened_takes_no_place_from_others(
    at_sqlite: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = at_sqlite.open(pool_size=1)
    with monkeypatch.context() as broken:
        failure = OperationalError("connect", None, Exception("connection refused"))
        broken.setattr(Engine, "connect", Mock(side_effect=failure))
        with pytest.raises(DependencyUnavailable, match="takes no connection"):
            ask(database)
    ask(database)
