"""Transactions behave alike on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shop.chassis import database as database_module
from shop.chassis.database import SqlDatabase
from shop.chassis.errors import Conflict, DependencyUnavailable
from tests.shop.database.benches import Bench

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, cents BIGINT NOT NULL)",
    "INSERT INTO accounts (name, cents) VALUES ('a', 0) ON CONFLICT (name) DO NOTHING",
)


def cents(database: SqlDatabase) -> int:
    with database.transaction() as transaction:
        (row,) = transaction.execute("SELECT cents FROM accounts WHERE name = :name", name="a")
    return int(row["cents"])


def test_a_transaction_commits_at_its_end(at: Bench) -> None:
    database = at.open(SCHEMA)
    with database.transaction() as transaction:
        transaction.execute("UPDATE accounts SET cents = :cents", cents=2**40)
    assert cents(database) == 2**40


def test_a_transaction_that_raises_leaves_nothing_behind(at: Bench) -> None:
    database = at.open(SCHEMA)

    def fail() -> None:
        with database.transaction() as transaction:
            transaction.execute("UPDATE accounts SET cents = 1")
            raise ValueError("half-way")

    with pytest.raises(ValueError, match="half-way"):
        fail()
    assert cents(database) == 0


def test_rows_come_by_name_and_statements_without_rows_give_none(at: Bench) -> None:
    database = at.open(SCHEMA)
    with database.transaction() as transaction:
        assert transaction.execute("SELECT name, cents FROM accounts") == [
            {"name": "a", "cents": 0}
        ]
        assert transaction.execute("UPDATE accounts SET cents = 1") == []
        assert transaction.execute("UPDATE accounts SET cents = 2 RETURNING cents") == [
            {"cents": 2}
        ]


def test_a_broken_constraint_is_a_conflict(at: Bench) -> None:
    database = at.open(SCHEMA)
    with (
        pytest.raises(Conflict, match="the database payment refuses"),
        database.transaction() as transaction,
    ):
        transaction.execute("INSERT INTO accounts (name, cents) VALUES ('a', 1)")
    assert cents(database) == 0


def test_a_statement_that_makes_no_sense_is_not_taken_for_an_outage(at: Bench) -> None:
    database = at.open(SCHEMA)
    with pytest.raises(Exception, match="nowhere") as failure, database.transaction() as wrong:
        wrong.execute("SELECT name FROM nowhere")
    assert not isinstance(failure.value, DependencyUnavailable)


def test_instances_that_start_together_make_one_schema(at: Bench) -> None:
    together = threading.Barrier(4)

    def start(_: int) -> SqlDatabase:
        together.wait()
        return at.open(SCHEMA)

    with ThreadPoolExecutor(4) as threads:
        databases = list(threads.map(start, range(4)))
    assert [cents(database) for database in databases] == [0, 0, 0, 0]


def test_writers_that_read_first_wait_for_each_other_and_lose_nothing(at: Bench) -> None:
    database = at.open(SCHEMA)

    def pay(_: int) -> None:
        with database.transaction() as transaction:
            transaction.execute("SELECT cents FROM accounts WHERE name = 'a'")
            transaction.execute("UPDATE accounts SET cents = cents + 1 WHERE name = 'a'")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(pay, range(100)))
    assert cents(database) == 100


def test_a_reader_does_not_wait_for_a_writer_and_sees_what_was_committed(at: Bench) -> None:
    database = at.open(SCHEMA)
    with database.transaction() as transaction:
        transaction.execute("UPDATE accounts SET cents = 5")
        assert cents(database) == 0
    assert cents(database) == 5


def test_a_writer_waits_only_so_long_for_another(
    at: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "LOCK_SECONDS", 0.05)
    database = at.open(SCHEMA)

    def write() -> None:
        with database.transaction() as transaction:
            transaction.execute("UPDATE accounts SET cents = 6")

    with database.transaction() as transaction:
        transaction.execute("UPDATE accounts SET cents = 5")
        with pytest.raises(DependencyUnavailable, match="the database payment does not answer"):
            write()
    assert cents(database) == 5
    assert at.metric("db.client.operation.duration", **{"error.type": "OperationalError"}) or (
        at.metric("db.client.operation.duration", **{"error.type": "LockNotAvailable"})
    )


def test_a_database_that_cannot_be_reached_is_unavailable(at_sqlite: Bench) -> None:
    at_sqlite.url = "postgresql://shop@127.0.0.1:1/shop"
    with pytest.raises(DependencyUnavailable, match="the database payment takes no connection"):
        at_sqlite.open(SCHEMA)


def test_a_lost_connection_is_an_outage_of_one_transaction(at_postgresql: Bench) -> None:
    database = at_postgresql.open(SCHEMA, pool_size=1)
    murderer = at_postgresql.open()
    with database.transaction() as transaction:
        (row,) = transaction.execute("SELECT pg_backend_pid() AS pid")
    with murderer.transaction() as transaction:
        transaction.execute("SELECT pg_terminate_backend(:pid, 5000)", pid=row["pid"])
    assert database.ready_check() == "the database payment does not answer"
    assert database.ready_check() == ""
    assert cents(database) == 0
