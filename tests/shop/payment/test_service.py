"""payment-service over gRPC, as order-service meets it, in good days and with its faults."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from shop import events
from shop.chassis.errors import (
    CircuitOpen,
    Conflict,
    DependencyError,
    DependencyUnavailable,
    Invalid,
    NotFound,
    PaymentDeclined,
)
from shop.chassis.ports import CallPolicy, Event
from shop.order.certainty import may_have_happened
from shop.outside import outside_app
from shop.payment.admin import TASKS
from tests.shop.database.benches import seconds_of
from tests.shop.inventory.stage import Spans, collect, traced, wait_until
from tests.shop.payment.till import Till, open_till, request

CHARGE = "shop.payment.v1.PaymentService/Charge"


def served(spans: Spans) -> ReadableSpan:
    """The SERVER span of the one charge."""
    found = [*spans.named(CHARGE), *spans.named(f"/{CHARGE}")]
    (span,) = [span for span in found if span.kind is SpanKind.SERVER]
    return span


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def test_the_client_gets_over_grpc_what_the_contract_promises(till: Till) -> None:
    with till.client() as payments:
        charge = payments.charge(request())
        assert charge.status == "captured"
        assert charge.amount_cents == 1990
        assert payments.charge(request()) == charge
        assert payments.refund(charge.charge_id, "undo-1").status == "refunded"
        assert payments.refund(charge.charge_id, "undo-1").status == "refunded"
        with pytest.raises(PaymentDeclined):
            payments.charge(request(2, card_token="declined-user-7"))
        with pytest.raises(Conflict, match="used for another charge"):
            payments.charge(request(order_id="order-9"))
        with pytest.raises(NotFound, match="there is no charge 'charge-x'"):
            payments.refund("charge-x", "undo-2")
        with pytest.raises(Invalid, match="idempotency key"):
            payments.charge(request(3, idempotency_key=""))
        with pytest.raises(Invalid, match="amount"):
            payments.charge(request(3, amount_cents=0))


def test_a_charge_can_be_looked_up_over_http(till: Till) -> None:
    with till.client() as payments:
        charge = payments.charge(request())
    answer = till.stage.caller("payment-service").request(
        "GET", "/v1/charges/{charge_id}", params={"charge_id": charge.charge_id}
    )
    assert answer.json() == charge.model_dump()
    here = till.stage.held.discovery.instances("payment-service")[0].http
    missing = httpx.get(f"http://{here}/v1/charges/charge-x")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


def test_a_charge_is_traced_from_the_call_to_the_last_statement(till: Till) -> None:
    with traced() as spans, till.client() as payments:
        with trace.get_tracer("test").start_as_current_span("caller"):
            charge = payments.charge(request())
        server = served(spans)
        steps = (
            "SELECT charges",
            "SELECT card_history",
            "POST /card-network/authorisations",
            "INSERT charges",
            "INSERT card_history",
        )
        starts = []
        for name in steps:
            inner = [span for span in spans.named(name) if span.kind is SpanKind.CLIENT]
            assert inner[0].parent is not None, name
            assert inner[0].parent.span_id == server.context.span_id, name
            starts.append(inner[0].start_time or 0)
        assert starts == sorted(starts)
        (call,) = [
            span
            for span in spans.named("POST /card-network/authorisations")
            if span.kind is SpanKind.CLIENT
        ]
        assert (call.attributes or {})["server.address"] == "card-network"
        assert (server.attributes or {})["payment.charge_id"] == charge.charge_id
        (caller,) = spans.named("caller")
        assert caller.context.trace_id == server.context.trace_id


def test_when_it_is_down_it_says_so_at_once_and_the_breaker_opens(till: Till) -> None:
    till.stage.break_it("payment-down")
    policy = CallPolicy(max_attempts=1, breaker_failures=3, breaker_open_seconds=60)
    with till.client(policy) as payments:
        for number in range(3):
            with pytest.raises(DependencyUnavailable, match="takes no calls"):
                payments.charge(request(number))
        till.stage.mend()
        with pytest.raises(CircuitOpen):
            payments.charge(request())
    with till.client() as payments:
        assert payments.charge(request()).status == "captured"


def test_when_it_is_slow_the_time_is_its_own(till: Till) -> None:
    till.stage.break_it("payment-slow", seconds=0.25)
    with traced() as spans, till.client() as payments:
        assert seconds(lambda: payments.charge(request())) > 0.25
        server = served(spans)
        children = [
            span
            for name in (
                "SELECT charges",
                "SELECT card_history",
                "POST /card-network/authorisations",
            )
            for span in spans.named(name)
            if span.parent and span.parent.span_id == server.context.span_id
        ]
    assert len(children) == 4, "the charge is read before and after it is written"
    assert seconds_of(server) - sum(map(seconds_of, children)) > 0.25


def test_a_slow_query_is_slow_inside_its_span_and_nowhere_else(till: Till) -> None:
    till.stage.break_it("payment-slow-query", seconds=0.25)
    with traced() as spans, till.client() as payments:
        payments.charge(request())
        till.stage.mend()
        payments.charge(request(2))
        slow, healthy = spans.named("SELECT card_history")
        (first, _) = spans.named("SELECT charges")[0], spans.named("INSERT charges")
    assert seconds_of(slow) >= 0.25
    assert seconds_of(healthy) < 0.25
    assert seconds_of(first) < 0.25


def test_when_the_first_step_of_the_saga_fails_no_money_was_taken(till: Till) -> None:
    till.stage.break_it("saga-charge-fails", share=1.0)
    with traced() as spans, till.client() as payments:
        with pytest.raises(DependencyError) as failure:
            payments.charge(request())
        assert (failure.value.code, failure.value.dependency) == (
            "dependency_failed",
            "payment-service",
        )
        assert not may_have_happened(failure.value)
        assert failure.value.is_final
        charge = served(spans)
        till.stage.mend()
        assert payments.charge(request()).status == "captured"
    assert charge.status.status_code is StatusCode.ERROR
    assert charge.attributes is not None
    assert charge.attributes["rpc.grpc.status_code"] == 13, "INTERNAL"
    # gRPC's way of ending a call is an exception too; it comes after ours.
    event = next(event for event in charge.events if event.name == "exception")
    assert event.attributes is not None
    assert event.attributes["exception.message"] == "no key opens the token of this card"


def test_a_lost_key_fails_the_same_share_of_the_cards_every_time(till: Till) -> None:
    till.stage.break_it("saga-charge-fails", share=0.25)

    def failing(number: int) -> bool:
        try:
            payments.charge(request(number, card_token=f"card-user-{number}"))
        except DependencyError:
            return True
        return False

    with till.client() as payments:
        broken = [failing(number) for number in range(1, 51)]
        assert [failing(number) for number in range(1, 51)] == broken
    assert 5 <= sum(broken) <= 20


def test_an_order_is_paid_by_events_and_refunded_when_nothing_is_in_stock(till: Till) -> None:
    seen: list[Event] = []
    collect(till.chassis.events, events.PAYMENTS, seen)
    told = {"order_id": "order-1", "user_id": "user-7", "saga_id": "saga-1"}
    order = {"lines": [{"sku": "sku-1", "quantity": 2}], "total_cents": 1990, "currency": "EUR"}
    created = Event(events.ORDER_CREATED, "order-1", {**told, **order, "card_token": "card-user-7"})
    till.chassis.events.publish(events.ORDERS, created)
    till.chassis.events.publish(events.ORDERS, created)
    wait_until(lambda: len(seen) == 2, "two answers to the event that came twice")
    assert [event.type for event in seen] == [events.PAYMENT_COMPLETED] * 2
    assert seen[0].data == seen[1].data
    assert seen[0].data["lines"] == order["lines"]

    rejected = {**told, "charge_id": seen[0].data["charge_id"], "failure": "out of stock"}
    till.chassis.events.publish(
        events.INVENTORY, Event(events.INVENTORY_REJECTED, "order-1", rejected)
    )
    wait_until(lambda: len(seen) == 3, "the refund")
    assert seen[2].type == events.PAYMENT_REFUNDED
    with till.client() as payments:
        assert payments.refund(seen[0].data["charge_id"], "again").status == "refunded"


@pytest.mark.full
def test_a_card_network_that_hangs_and_takes_the_money_later_keeps_none_of_it(
    tmp_path: Path,
) -> None:
    answers = threading.Event()

    def hang(_seconds: float) -> None:
        answers.wait(60)

    network = outside_app(wait=hang)
    told = {"order_id": "order-1", "user_id": "user-7", "saga_id": "saga-1"}
    order = {"lines": [], "total_cents": 1990, "currency": "EUR", "card_token": "card-user-7"}
    created = Event(events.ORDER_CREATED, "order-1", told | order)
    seen: list[Event] = []
    with open_till(tmp_path, network) as till:
        try:
            collect(till.chassis.events, events.PAYMENTS, seen)
            till.chassis.events.publish(events.ORDERS, created)
            wait_until(lambda: len(seen) == 1, "an answer without the card network", 30)
        finally:
            answers.set()
        (here,) = till.stage.held.discovery.instances("card-network")

        def authorised() -> int:
            return httpx.post(
                f"http://{here.http}/card-network/authorisations",
                json={"card_token": "card-user-7"},
                headers={"idempotency-key": "charge-of-order-1"},
            ).status_code

        assert authorised() in (201, 402)
        wait_until(lambda: authorised() == 402, "the key is void", 30)
        till.chassis.events.publish(events.ORDERS, created)
        wait_until(lambda: len(seen) == 2, "an answer to the event that came again")
    assert [event.type for event in seen] == [events.PAYMENT_FAILED] * 2


def test_the_index_can_be_made_anew_by_hand(till: Till) -> None:
    assert TASKS["reindex"](till.chassis) == "made the index of card_history anew"
    with till.client() as payments:
        assert payments.charge(request()).status == "captured"
