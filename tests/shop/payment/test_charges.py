"""Money is taken once and given back once, whatever is repeated."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shop.chassis.database import SqlDatabase
from shop.chassis.errors import Conflict, DependencyTimeout, NotFound, PaymentDeclined
from shop.payment.card_network import Authorisation
from shop.payment.history import MAX_CENTS, MAX_DECLINES, WINDOW_SECONDS
from shop.payment.logic import PaymentLogic
from shop.payment.tables import SCHEMA
from tests.shop.database.benches import Bench
from tests.shop.payment.till import CardNetworkInMemory, request


def logic_over(
    database: SqlDatabase,
    network: CardNetworkInMemory,
    clock: Callable[[], float] = lambda: 1_800_000_000.0,
) -> PaymentLogic:
    return PaymentLogic(database, network, clock=clock)


def outcomes(database: SqlDatabase) -> list[str]:
    with database.transaction() as transaction:
        rows = transaction.execute("SELECT outcome FROM card_history ORDER BY seen_unix_ms")
    return [row["outcome"] for row in rows]


def test_the_same_key_charges_once_and_gives_the_same_charge(at: Bench) -> None:
    network = CardNetworkInMemory()
    database = at.open(SCHEMA)
    logic = logic_over(database, network)
    first, second = logic.charge(request()), logic.charge(request())
    assert first == second == logic.charge_with_id(first.charge_id)
    assert (first.status, first.amount_cents, first.order_id) == ("captured", 1990, "order-1")
    assert network.authorised == ["key-1"]
    assert outcomes(database) == ["captured"]


def test_a_key_that_was_used_for_something_else_is_a_conflict(at: Bench) -> None:
    network = CardNetworkInMemory()
    logic = logic_over(at.open(SCHEMA), network)
    logic.charge(request())
    with pytest.raises(Conflict, match="'key-1' was used for another charge"):
        logic.charge(request(amount_cents=1))
    assert network.authorised == ["key-1"]


def test_two_at_once_with_one_key_get_one_charge(at: Bench) -> None:
    together = threading.Barrier(2, timeout=5)

    class BothAtOnce(CardNetworkInMemory):
        def authorise(self, *told: object, **named: object) -> Authorisation:
            # Neither has written anything down when the other one asks.
            together.wait()
            return Authorisation(id="authorisation-1")

    database = at.open(SCHEMA)
    logic = logic_over(database, BothAtOnce())
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(logic.charge, [request(), request()])
    assert first == second
    with database.transaction() as transaction:
        assert transaction.execute("SELECT count(*) AS charges FROM charges") == [{"charges": 1}]


def test_no_connection_is_held_while_the_card_network_is_asked(at: Bench) -> None:
    class Looking(CardNetworkInMemory):
        def authorise(self, *told: object, **named: object) -> Authorisation:
            self.used = at.metric(
                "db.client.connection.count", **{"db.client.connection.state": "used"}
            )
            return Authorisation(id="authorisation-1")

    network = Looking()
    logic_over(at.open(SCHEMA), network).charge(request())
    assert network.used == 0


def test_a_declined_card_is_not_charged_but_remembered(at: Bench) -> None:
    database = at.open(SCHEMA)
    logic = logic_over(database, CardNetworkInMemory(failure=PaymentDeclined("do not honour")))
    with pytest.raises(PaymentDeclined, match="do not honour"):
        logic.charge(request())
    assert outcomes(database) == ["declined"]
    with database.transaction() as transaction:
        assert transaction.execute("SELECT charge_id FROM charges") == []


def test_a_charge_that_timed_out_is_asked_for_again_with_its_key(at_sqlite: Bench) -> None:
    network = CardNetworkInMemory(failure=DependencyTimeout("card-network", "no answer"))
    logic = logic_over(at_sqlite.open(SCHEMA), network)
    with pytest.raises(DependencyTimeout):
        logic.charge(request())
    network.failure = None
    assert logic.charge(request()).status == "captured"
    assert network.authorised == ["key-1", "key-1"]


def test_what_was_taken_before_a_crash_is_found_though_the_card_is_over_its_limit_by_now(
    at: Bench,
) -> None:
    class Killed(BaseException):
        """The process ends here."""

    class NetworkThatOutlivesUs(CardNetworkInMemory):
        def authorise(self, *told: Any, **named: Any) -> Authorisation:
            authorisation = super().authorise(*told, **named)
            if len(self.authorised) == 1:
                raise Killed
            return authorisation

    network = NetworkThatOutlivesUs()
    logic = logic_over(at.open(SCHEMA), network)
    with pytest.raises(Killed):
        logic.charge(request())
    logic.charge(request(2, amount_cents=MAX_CENTS))
    found = logic.charge(request())
    assert found.status == "captured"
    assert network.authorised == ["key-1", "key-2", "key-1"]
    assert logic.refund(found.charge_id, "undo-1").status == "refunded"


def test_a_card_that_fails_again_and_again_is_refused_for_a_while(at: Bench) -> None:
    now = [1_800_000_000.0]
    network = CardNetworkInMemory(failure=PaymentDeclined("do not honour"))
    logic = logic_over(at.open(SCHEMA), network, lambda: now[0])
    for number in range(MAX_DECLINES):
        with pytest.raises(PaymentDeclined, match="do not honour"):
            logic.charge(request(number))
    network.failure = None
    with pytest.raises(PaymentDeclined, match="too many attempts"):
        logic.charge(request(99))
    assert len(network.authorised) == MAX_DECLINES
    assert logic.charge(request(100, card_token="card-user-8")).status == "captured"
    now[0] += WINDOW_SECONDS + 1
    assert logic.charge(request(99)).status == "captured"


def test_a_card_that_spends_too_much_at_once_is_refused(at: Bench) -> None:
    logic = logic_over(at.open(SCHEMA), CardNetworkInMemory())
    logic.charge(request(1, amount_cents=MAX_CENTS - 1))
    with pytest.raises(PaymentDeclined, match="too much in a short time"):
        logic.charge(request(2, amount_cents=2))
    assert logic.charge(request(3, amount_cents=1)).status == "captured"


def test_a_refund_is_given_once(at: Bench) -> None:
    network = CardNetworkInMemory()
    logic = logic_over(at.open(SCHEMA), network)
    charge = logic.charge(request())
    first = logic.refund(charge.charge_id, "undo-1")
    assert first.status == "refunded"
    assert logic.refund(charge.charge_id, "undo-2") == first
    assert network.refunded == [f"refund-{charge.charge_id}"]
    assert logic.charge(request()).status == "refunded"


def test_a_refund_that_the_network_did_not_make_is_not_written_down(at_sqlite: Bench) -> None:
    network = CardNetworkInMemory()
    logic = logic_over(at_sqlite.open(SCHEMA), network)
    charge = logic.charge(request())
    network.failure = DependencyTimeout("card-network", "no answer")
    with pytest.raises(DependencyTimeout):
        logic.refund(charge.charge_id, "undo-1")
    assert logic.charge_with_id(charge.charge_id).status == "captured"


def test_what_was_never_charged_is_not_found(at_sqlite: Bench) -> None:
    logic = logic_over(at_sqlite.open(SCHEMA), CardNetworkInMemory())
    with pytest.raises(NotFound, match="'charge-x'"):
        logic.refund("charge-x", "undo-1")
    with pytest.raises(NotFound, match="'charge-x'"):
        logic.charge_with_id("charge-x")


def test_the_history_is_seeded_once_and_refuses_nobody(at: Bench) -> None:
    database = at.open(SCHEMA)
    logic = logic_over(database, CardNetworkInMemory())
    logic.history.seed()
    logic.history.seed()
    assert len(outcomes(database)) == 5000
    assert logic.history.recent_use("card-user-7").declines == 0
    assert "INSERT card_history" not in at.names()
