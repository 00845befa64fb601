"""The fault `payment-missing-index`: the index goes, the table grows, and all comes back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation

from shop.chassis.database import SqlDatabase
from shop.chassis.switches import HeldFaults
from shop.payment import history_import as import_module
from shop.payment.history import CardHistory
from shop.payment.history_import import BATCH_SECONDS, FAULT, HistoryImport
from shop.payment.tables import INDEX, SCHEMA
from tests.shop.database.benches import Bench
from tests.shop.inventory.stage import wait_until

ON = {FAULT: {"rows_per_second": 20_000}}
BATCH = round(20_000 * BATCH_SECONDS)


@pytest.fixture
def database(at: Bench) -> Iterator[SqlDatabase]:
    opened = at.open(SCHEMA)
    CardHistory(opened).seed()
    yield opened
    assert at.names() == [], "the import is the operator's doing and not in the shop's traces"


def rows(database: SqlDatabase, where: str = "1 = 1") -> int:
    with suppress_instrumentation(), database.transaction() as transaction:
        (row,) = transaction.execute(f"SELECT count(*) AS n FROM card_history WHERE {where}")
    return int(row["n"])


def plan(at: Bench, database: SqlDatabase) -> str:
    """How the database would look a card up."""
    explain = "EXPLAIN" if "postgresql" in at.url else "EXPLAIN QUERY PLAN"
    with suppress_instrumentation(), database.transaction() as transaction:
        lines = transaction.execute(
            # SQLite keeps explanations that it made, even of a schema that has changed since.
            f"{explain} SELECT '{uuid.uuid4()}' FROM card_history "
            "WHERE card_token = 'card-user-7' AND seen_unix_ms >= 1"
        )
    return str([dict(line) for line in lines])


def test_the_index_goes_and_the_table_grows_until_the_fault_ends(
    at: Bench, database: SqlDatabase
) -> None:
    faults = HeldFaults()
    importing = HistoryImport(database, faults)
    importing.step()
    assert INDEX in plan(at, database)
    own = rows(database)

    faults.hold(ON)
    for _ in range(3):
        importing.step()
    assert INDEX not in plan(at, database)
    assert rows(database) == own + 3 * BATCH
    assert rows(database, "import_batch = 3") == BATCH

    faults.hold({})
    importing.step()
    assert INDEX in plan(at, database)
    assert rows(database) == own


def test_the_import_ends_by_itself_before_it_fills_the_disk(
    database: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module, "MAX_ROWS", BATCH + 10)
    faults = HeldFaults()
    faults.hold(ON)
    importing = HistoryImport(database, faults)
    for _ in range(3):
        importing.step()
    assert rows(database, "import_batch IS NOT NULL") == BATCH + 10


def test_stopping_in_the_middle_leaves_everything_as_it_was(
    at: Bench, database: SqlDatabase
) -> None:
    faults = HeldFaults()
    faults.hold(ON)
    own = rows(database)
    importing = HistoryImport(database, faults)
    importing.start()
    wait_until(lambda: importing.rows > 0, "the first batch")
    importing.stop()
    assert rows(database) == own
    assert INDEX in plan(at, database)


def test_what_an_import_left_behind_that_was_killed_is_removed_at_the_next_start(
    at: Bench, database: SqlDatabase
) -> None:
    faults = HeldFaults()
    own = rows(database)
    faults.hold(ON)
    HistoryImport(database, faults).step()
    assert rows(database) == own + BATCH

    restarted = at.open(SCHEMA)
    faults.hold({})
    importing = HistoryImport(restarted, faults)
    importing.start()
    importing.stop()
    assert rows(restarted) == own
    assert INDEX in plan(at, restarted)
