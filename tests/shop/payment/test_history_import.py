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
from tests.shop.database.benches import Bench, seconds_of
from tests.shop.inventory.stage import wait_until

ON = {FAULT: {"rows_per_second": 20_000, "disk_megabytes_per_second": 11}}
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


def test_each_scan_waits_for_more_of_the_disk_than_the_one_before(
    at: Bench, database: SqlDatabase
) -> None:
    faults = HeldFaults()
    importing = HistoryImport(database, faults)
    history = CardHistory(database)
    took: list[float] = []

    def look() -> None:
        history.recent_use("card-user-7")
        took.append(seconds_of(at.spans.get_finished_spans()[-1]))
        at.spans.clear()

    look()
    faults.hold(ON)
    for _ in range(3):
        for _ in range(5):
            importing.step()
        look()
    # 25 000 rows of 44 bytes are a tenth of a second of this disk.
    assert [seconds >= wait for seconds, wait in zip(took[1:], (0.1, 0.2, 0.3), strict=True)]
    assert importing.disk_seconds() == pytest.approx(0.3)
    faults.hold({})
    importing.step()
    look()
    assert importing.disk_seconds() == 0.0
    assert took[-1] < 0.1


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
