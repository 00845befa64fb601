"""The leak of connections: requests wait for the pool, and only while the fault is on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from shop.chassis.errors import DependencyUnavailable
from shop.chassis.ports import Database
from shop.inventory.client import InventoryClient
from shop.inventory.connection_leak import LeakyListing
from shop.inventory.logic import InventoryLogic
from shop.inventory.service import build
from shop.inventory.tables import SCHEMA
from tests.shop.inventory.stage import Stage, staged, traced, wait_until

FAULT = "inventory-pool-exhausted"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as made:
        yield made


@pytest.fixture
def database(stage: Stage) -> Iterator[Database]:
    opened = stage.chassis("inventory-service", database_pool_timeout_seconds=0.1).database(SCHEMA)
    yield opened
    opened.close()


@pytest.fixture
def listing(stage: Stage, database: Database) -> Iterator[LeakyListing]:
    made = LeakyListing(database, stage.held.faults)
    yield made
    made.close()


@pytest.fixture
def stock(stage: Stage, database: Database, listing: LeakyListing) -> InventoryLogic:
    return InventoryLogic(database, stage.held.faults, listing=listing.transaction)


def _free(database: Database) -> int:
    """How many connections can be taken out of the pool of five now."""
    with ExitStack() as taken:
        for free in range(6):
            try:
                taken.enter_context(database.transaction())
            except DependencyUnavailable:
                return free
    raise AssertionError("the pool has more than five connections")


def test_the_leak_leaves_one_connection_and_all_come_back(
    stage: Stage, database: Database, stock: InventoryLogic
) -> None:
    stock.products(1)
    assert _free(database) == 5
    stage.break_it(FAULT, hold_milliseconds=0)
    for _ in range(3):
        stock.products(1)
    wait_until(lambda: _free(database) == 1, "one free connection")
    stage.mend()
    stock.products(1)
    assert _free(database) == 5


def test_a_listing_answers_before_its_connection_is_back(
    stage: Stage, database: Database, stock: InventoryLogic, listing: LeakyListing
) -> None:
    stage.break_it(FAULT, hold_milliseconds=60_000)
    begin = time.monotonic()
    assert len(stock.products(40)) == 40
    assert time.monotonic() - begin < 10
    assert _free(database) == 0
    with pytest.raises(DependencyUnavailable, match="no connection of the pool inventory"):
        stock.products(1)
    listing.close()
    assert _free(database) == 5


def test_many_first_listings_at_once_leak_once(
    stage: Stage, database: Database, stock: InventoryLogic
) -> None:
    stage.break_it(FAULT, leaked_connections=2, hold_milliseconds=0)
    with ThreadPoolExecutor(3) as callers:
        list(callers.map(lambda _: stock.products(1), range(3)))
    wait_until(lambda: _free(database) == 3, "three free connections")


def test_requests_wait_in_a_span_of_their_own_while_statements_stay_fast(stage: Stage) -> None:
    with traced() as spans:
        stage.start(build, "inventory-service")
        inventory = InventoryClient(stage.caller("inventory-service"))
        inventory.products(5)
        assert not spans.named("db.pool.acquire")
        stage.break_it(FAULT, hold_milliseconds=120)
        inventory.products(5)
        spans.served("GET /v1/products", 2)
        spans.clear()
        with ThreadPoolExecutor(3) as callers:
            list(callers.map(lambda _: inventory.products(5), range(3)))
    waits = spans.named("db.pool.acquire")
    requests = spans.served("GET /v1/products", 3)
    assert {wait.parent.span_id for wait in waits if wait.parent} == {
        request.context.span_id for request in requests
    }
    # Each of the three waits for those before it to give their connection back.
    assert _seconds(waits[-1]) > 0.25
    statements = spans.named("SELECT products")
    assert max(_seconds(statement) for statement in statements) < _seconds(waits[-1])


def _seconds(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e9
