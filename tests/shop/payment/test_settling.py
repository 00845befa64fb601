"""Money whose fate nobody learned is given back, and a late request does not take it again."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from shop.chassis.database import SqlDatabase
from shop.chassis.errors import Conflict, DependencyTimeout, PaymentDeclined
from shop.payment.card_network import Authorisation
from shop.payment.logic import PaymentLogic
from shop.payment.settling import ABANDONED_SECONDS, PROMISED_SECONDS, Settling
from shop.payment.tables import SCHEMA
from tests.shop.database.benches import Bench
from tests.shop.inventory.stage import wait_until
from tests.shop.payment.till import CardNetworkInMemory, request

SILENCE = DependencyTimeout("card-network", "no answer")


@dataclass
class Office:
    """The logic and its settling over one database, with a clock that is set by hand."""

    database: SqlDatabase
    network: CardNetworkInMemory
    now: float = 1_800_000_000.0

    def __post_init__(self) -> None:
        self.logic = PaymentLogic(self.database, self.network, clock=lambda: self.now)
        self.settling = Settling(
            self.logic, self.database, self.network, every_seconds=0.01, clock=lambda: self.now
        )

    def charge_in_vain(self, number: int = 1) -> None:
        """A charge of which nobody learns what became."""
        self.network.failure = SILENCE
        with pytest.raises(DependencyTimeout):
            self.logic.charge(request(number))
        self.network.failure = None

    def charges(self) -> int:
        with self.database.transaction() as transaction:
            return len(transaction.execute("SELECT 1 FROM charges"))


def test_an_attempt_nobody_asks_for_again_is_voided_once(at: Bench) -> None:
    office = Office(at.open(SCHEMA), CardNetworkInMemory())
    office.charge_in_vain()
    office.now += ABANDONED_SECONDS - 1
    office.settling.round()
    assert office.network.voided == []
    office.now += 2
    office.settling.round()
    office.settling.round()
    assert office.network.voided == ["key-1"]
    with pytest.raises(PaymentDeclined, match="called off"):
        office.logic.charge(request())
    assert office.network.authorised == ["key-1"]
    assert office.charges() == 0


def test_whoever_asks_again_in_time_gets_the_charge(at: Bench) -> None:
    office = Office(at.open(SCHEMA), CardNetworkInMemory())
    office.charge_in_vain()
    office.now += ABANDONED_SECONDS + 1
    office.charge_in_vain()  # asked again: its time begins anew
    office.settling.round()
    assert office.logic.charge(request()).status == "captured"
    office.now += ABANDONED_SECONDS + 1
    office.settling.round()
    assert office.network.voided == []
    assert office.charges() == 1


def test_what_was_called_off_is_voided_when_the_network_answers_again(at: Bench) -> None:
    office = Office(at.open(SCHEMA), CardNetworkInMemory())
    for number in (1, 2):
        office.charge_in_vain(number)
        assert office.logic.call_off(f"key-{number}", f"order-{number}") is None
    office.now += 1
    office.network.failure = SILENCE
    office.settling.round()
    office.network.failure = None
    office.settling.round()
    # The one that failed gives way to the other.
    assert office.network.voided == ["key-2", "key-1"]


def test_what_is_called_off_before_it_is_asked_for_is_never_taken(at: Bench) -> None:
    office = Office(at.open(SCHEMA), CardNetworkInMemory())
    assert office.logic.call_off("key-1", "order-1") is None
    with pytest.raises(PaymentDeclined, match="called off"):
        office.logic.charge(request())
    assert office.network.authorised == []


def test_a_charge_that_is_written_down_is_not_called_off_but_told(at: Bench) -> None:
    office = Office(at.open(SCHEMA), CardNetworkInMemory())
    charge = office.logic.charge(request())
    assert office.logic.call_off("key-1", "order-1") == charge
    office.settling.round()
    assert office.network.voided == []
    assert office.logic.charge(request()) == charge


def test_an_answer_that_comes_after_the_calling_off_makes_no_charge(at: Bench) -> None:
    class Slow(CardNetworkInMemory):
        def authorise(self, *told: object, **named: object) -> Authorisation:
            assert office.logic.call_off("key-1", "order-1") is None
            return Authorisation(id="authorisation-1")

    office = Office(at.open(SCHEMA), Slow())
    with pytest.raises(PaymentDeclined, match="called off"):
        office.logic.charge(request())
    office.settling.round()
    assert office.network.voided == ["key-1"]
    assert office.charges() == 0


def test_an_unanswered_attempt_cannot_be_repeated_as_another_charge(at_sqlite: Bench) -> None:
    office = Office(at_sqlite.open(SCHEMA), CardNetworkInMemory())
    office.charge_in_vain()
    with pytest.raises(Conflict, match="'key-1' was used for another charge"):
        office.logic.charge(request(amount_cents=1))


def test_a_declined_attempt_leaves_nothing_to_settle(at_sqlite: Bench) -> None:
    network = CardNetworkInMemory(failure=PaymentDeclined("do not honour"))
    office = Office(at_sqlite.open(SCHEMA), network)
    with pytest.raises(PaymentDeclined):
        office.logic.charge(request())
    network.failure = None
    office.now += ABANDONED_SECONDS + 1
    office.settling.round()
    assert network.voided == []


def test_a_promised_refund_is_given_when_the_network_answers_again(at: Bench) -> None:
    office = Office(at.open(SCHEMA), CardNetworkInMemory())
    charge = office.logic.charge(request())
    office.network.failure = SILENCE
    with pytest.raises(DependencyTimeout):
        office.logic.refund(charge.charge_id, "undo-1")
    office.now += PROMISED_SECONDS + 1
    office.settling.round()
    office.network.failure = None
    office.now += PROMISED_SECONDS + 1
    office.settling.round()
    assert office.logic.charge_with_id(charge.charge_id).status == "refunded"
    given = len(office.network.refunded)
    office.now += PROMISED_SECONDS + 1
    office.settling.round()
    assert len(office.network.refunded) == given
    assert set(office.network.refunded) == {f"refund-{charge.charge_id}"}


def test_settling_runs_by_itself_and_stops(at_sqlite: Bench) -> None:
    office = Office(at_sqlite.open(SCHEMA), CardNetworkInMemory())
    office.charge_in_vain()
    office.logic.call_off("key-1", "order-1")
    office.settling.start()
    wait_until(lambda: office.network.voided == ["key-1"], "voided")
    office.settling.stop()
