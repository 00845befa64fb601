"""Idempotency: the same key brings the same answer, whoever comes with it and when."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import BaseModel

from shop.chassis.database import SqlDatabase
from shop.chassis.errors import Conflict, PaymentDeclined
from shop.chassis.idempotency import SCHEMA, remembered
from tests.shop.database.benches import bench


class Charge(BaseModel):
    charge_id: str
    amount_cents: int


class Ask(BaseModel):
    amount_cents: int


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlDatabase]:
    """The statements are written for both, and the waiting differs most between them."""
    with bench(request.param, tmp_path, lambda: request.getfixturevalue("postgres_url")) as made:
        yield made.open(SCHEMA)


class Bank:
    """Makes charges, each with a new number."""

    def __init__(self) -> None:
        self.charged = 0

    def charge(self) -> Charge:
        self.charged += 1
        return Charge(charge_id=f"charge-{self.charged}", amount_cents=700)


def test_the_same_key_gives_the_same_answer_and_does_the_work_once(database: SqlDatabase) -> None:
    bank = Bank()
    answers = []
    for key in ("key-1", "key-1", "key-2"):
        with database.transaction() as transaction:
            answers.append(remembered(transaction, key, bank.charge, model=Charge))
    assert [answer.charge_id for answer in answers] == ["charge-1", "charge-1", "charge-2"]
    assert bank.charged == 2


def test_plain_json_is_remembered_as_well(database: SqlDatabase) -> None:
    for _ in range(2):
        with database.transaction() as transaction:
            assert remembered(transaction, "key-1", lambda: {"a": [1, None]}) == {"a": [1, None]}


def test_without_a_key_nothing_is_remembered(database: SqlDatabase) -> None:
    bank = Bank()
    for _ in range(2):
        with database.transaction() as transaction:
            remembered(transaction, "", bank.charge, model=Charge)
    assert bank.charged == 2


def test_operations_keep_their_keys_apart(database: SqlDatabase) -> None:
    with database.transaction() as transaction:
        remembered(transaction, "key-1", lambda: "charged", operation="charge")
        assert remembered(transaction, "key-1", lambda: "sent", operation="email") == "sent"


def test_another_request_under_a_used_key_is_a_conflict(database: SqlDatabase) -> None:
    bank = Bank()
    with database.transaction() as transaction:
        remembered(transaction, "key-1", bank.charge, model=Charge, request=Ask(amount_cents=700))
    with database.transaction() as transaction:
        remembered(transaction, "key-1", bank.charge, model=Charge, request=Ask(amount_cents=700))
    with (
        pytest.raises(Conflict, match="'key-1' was used for another request"),
        database.transaction() as transaction,
    ):
        remembered(transaction, "key-1", bank.charge, model=Charge, request=Ask(amount_cents=900))
    assert bank.charged == 1


def test_what_failed_is_forgotten_with_its_transaction(database: SqlDatabase) -> None:
    def decline() -> Charge:
        raise PaymentDeclined("no money")

    with pytest.raises(PaymentDeclined), database.transaction() as transaction:
        remembered(transaction, "key-1", decline, model=Charge)
    with database.transaction() as transaction:
        charge = remembered(transaction, "key-1", Bank().charge, model=Charge)
    assert charge.charge_id == "charge-1"


def test_of_many_at_once_one_does_the_work_and_all_get_its_answer(database: SqlDatabase) -> None:
    bank = Bank()
    together = threading.Barrier(4)

    def ask(_number: int) -> str:
        together.wait(10)
        with database.transaction() as transaction:
            return remembered(transaction, "key-1", bank.charge, model=Charge).charge_id

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, range(4))) == {"charge-1"}
    assert bank.charged == 1


def test_who_waits_for_one_that_fails_does_the_work_itself(database: SqlDatabase) -> None:
    begun, let_go = threading.Event(), threading.Event()

    def fail_slowly() -> Charge:
        begun.set()
        assert let_go.wait(10)
        raise PaymentDeclined("no money")

    def first() -> None:
        with database.transaction() as transaction:
            remembered(transaction, "key-1", fail_slowly, model=Charge)

    def second() -> str:
        assert begun.wait(10)
        threading.Timer(0.1, let_go.set).start()
        with database.transaction() as transaction:
            return remembered(transaction, "key-1", Bank().charge, model=Charge).charge_id

    with ThreadPoolExecutor(2) as pool:
        failing, waiting = pool.submit(first), pool.submit(second)
        with pytest.raises(PaymentDeclined):
            failing.result(10)
        assert waiting.result(10) == "charge-1"
