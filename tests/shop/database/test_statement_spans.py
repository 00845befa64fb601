"""Every statement is a span that says what it was and lasts as long as the database works."""

from __future__ import annotations

import time

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import SpanKind, StatusCode

from shop.chassis.db_spans import statement_of
from shop.chassis.errors import Conflict
from tests.shop.database.benches import Bench, seconds_of

SCHEMA = ("CREATE TABLE IF NOT EXISTS charges (charge_id TEXT PRIMARY KEY, cents BIGINT)",)


def test_a_span_says_what_the_conventions_ask_for(at: Bench) -> None:
    database = at.open(SCHEMA)
    with database.transaction() as transaction:
        transaction.execute(
            "SELECT cents\n  FROM charges WHERE charge_id = :charge_id", charge_id="secret"
        )
    span = at.span("SELECT charges")
    assert span.kind is SpanKind.CLIENT
    assert dict(span.attributes or {}) == {
        "db.system.name": "postgresql" if "postgresql" in at.url else "sqlite",
        "db.namespace": "payment",
        "db.operation.name": "SELECT",
        "db.collection.name": "charges",
        "db.query.summary": "SELECT charges",
        "db.query.text": "SELECT cents FROM charges WHERE charge_id = :charge_id",
        "db.response.returned_rows": 0,
    }
    assert span.status.status_code is StatusCode.UNSET


def test_only_the_statements_of_the_program_are_spans(at: Bench) -> None:
    database = at.open(SCHEMA)
    with database.transaction() as transaction:
        transaction.execute("INSERT INTO charges (charge_id, cents) VALUES ('a', 1)")
        transaction.execute("SELECT cents FROM charges")
    assert database.ready_check() == ""
    with suppress_instrumentation(), database.transaction() as transaction:
        transaction.execute("DELETE FROM charges")
    assert at.names() == ["INSERT charges", "SELECT charges"]


def test_a_span_lasts_until_the_last_row_is_there(at: Bench) -> None:
    # The first row comes at once and the last one after a second or so: an instrumentation that
    # stops at the first would show next to nothing.
    database = at.open()
    begin = time.perf_counter()
    with database.transaction() as transaction:
        rows = transaction.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) "
            "SELECT i FROM n WHERE i = 1 OR i = 300000"
        )
    took = time.perf_counter() - begin
    assert len(rows) == 2
    assert seconds_of(at.span("SELECT n")) > took * 0.8


def test_a_failed_statement_is_an_error_span_with_its_type(at: Bench) -> None:
    database = at.open(SCHEMA)
    with (
        pytest.raises(Conflict),
        database.transaction() as transaction,
    ):
        transaction.execute("INSERT INTO charges (charge_id, cents) VALUES ('a', 1), ('a', 2)")
    span = at.span("INSERT charges")
    assert span.status.status_code is StatusCode.ERROR
    assert "unique" in str(span.status.description).lower()
    expected = "UniqueViolation" if "postgresql" in at.url else "IntegrityError"
    assert (span.attributes or {})["error.type"] == expected
    assert at.metric("db.client.operation.duration", **{"error.type": expected}) == 1


def test_no_span_or_metric_names_the_file_of_the_database(at_sqlite: Bench) -> None:
    database = at_sqlite.open(SCHEMA)
    with database.transaction() as transaction:
        transaction.execute("SELECT cents FROM charges")
    data = at_sqlite.reader.get_metrics_data()
    assert data is not None
    assert str(at_sqlite.data_dir) not in data.to_json()
    for span in at_sqlite.spans.get_finished_spans():
        assert str(at_sqlite.data_dir) not in span.to_json()


def test_a_delayed_statement_takes_longer_inside_its_span(at: Bench) -> None:
    database = at.open(SCHEMA)
    with (
        database.delay_statements("SELECT charges", 0.05),
        database.transaction() as transaction,
    ):
        transaction.execute("SELECT cents FROM charges")
        transaction.execute("DELETE FROM charges")
        assert (
            at.metric("db.client.connection.count", **{"db.client.connection.state": "used"}) == 1
        )
    assert seconds_of(at.span("SELECT charges")) >= 0.05
    assert seconds_of(at.span("DELETE charges")) < 0.05


def test_a_delay_ends_when_it_is_released_and_asks_for_its_length_every_time(
    at_sqlite: Bench,
) -> None:
    database = at_sqlite.open(SCHEMA)
    lengths = [0.03, 0.0]
    delay = database.delay_statements("SELECT", lambda: lengths.pop(0))
    for _ in range(2):
        with database.transaction() as transaction:
            transaction.execute("SELECT cents FROM charges")
    delay.release()
    delay.release()
    with database.transaction() as transaction:
        transaction.execute("SELECT cents FROM charges")
    first, second, third = map(seconds_of, at_sqlite.spans.get_finished_spans())
    assert first >= 0.03
    assert second < 0.03
    assert third < 0.03


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("SELECT a FROM orders WHERE b IN (SELECT c FROM lines)", "SELECT orders"),
        ("SELECT (SELECT max(a) FROM lines) AS a FROM orders", "SELECT orders"),
        ("select o.a from orders o join lines l on l.a = o.a", "SELECT orders"),
        ("-- why\nSELECT 1 FROM orders", "SELECT orders"),
        ("/* why */ UPDATE orders SET a = 1", "UPDATE orders"),
        ("INSERT INTO lines (a) SELECT a FROM orders", "INSERT lines"),
        ("INSERT INTO a (b) VALUES (1) ON CONFLICT (b) DO UPDATE SET b = 2", "INSERT a"),
        ("DELETE FROM orders WHERE a = :a RETURNING a", "DELETE orders"),
        ("WITH recent AS (SELECT a FROM lines) UPDATE orders SET a = 1", "UPDATE orders"),
        ("CREATE TABLE IF NOT EXISTS orders (a TEXT)", "CREATE orders"),
        ("CREATE UNIQUE INDEX IF NOT EXISTS i ON orders (a)", "CREATE orders"),
        ("DROP INDEX IF EXISTS by_card", "DROP by_card"),
        ("SELECT 1", "SELECT"),
        ("SELECT count(*) FROM (SELECT a FROM lines) AS l", "SELECT lines"),
        ("VACUUM", "VACUUM"),
        ("", ""),
    ],
)
def test_a_statement_is_named_after_its_operation_and_first_table(sql: str, name: str) -> None:
    assert statement_of(sql).name == name


@pytest.mark.parametrize("name", ["db.client.operation.duration", "db.client.connection.use_time"])
def test_durations_are_told_apart_below_a_second(at: Bench, name: str) -> None:
    with at.open().transaction() as transaction:
        transaction.execute("SELECT 1 AS one")
    assert at.boundaries(name)[:3] == [0.001, 0.005, 0.01]
