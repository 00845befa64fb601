"""The checkout saga: what is undone, in which order, and how it is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.trace import StatusCode

from shop import events
from shop.chassis.errors import (
    CircuitOpen,
    DependencyError,
    DependencyTimeout,
    DependencyUnavailable,
    PaymentDeclined,
)
from shop.chassis.message_transport import MAX_BODY_BYTES
from tests.shop.order.world import REQUEST, STEPS, Scene, scene


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path) as made:
        yield made


def test_a_checkout_does_its_steps_in_order_and_confirms_the_order(shop: Scene) -> None:
    order = shop.logic.checkout("user-1", REQUEST, "key-1")

    assert (order.status, order.total_cents, order.failure) == ("confirmed", 500, "")
    assert shop.steps_called() == [*STEPS, events.ORDER_CONFIRMED]
    assert shop.rows("SELECT status, tracking_code FROM orders") == [
        {"status": "confirmed", "tracking_code": "T-1"}
    ]
    assert shop.rows("SELECT status FROM sagas") == [{"status": "completed"}]


@pytest.mark.parametrize(
    ("failing", "undone", "outcome_of"),
    [
        ("reserve", ["refund"], {"charge": "done"}),
        ("email", ["release", "refund"], {"reserve": "done", "charge": "done"}),
        (
            "ship",
            ["correction", "release", "refund"],
            {"email": "impossible", "reserve": "done", "charge": "done"},
        ),
    ],
)
def test_a_failed_step_undoes_the_ones_before_it_in_reverse_order(
    shop: Scene, failing: str, undone: list[str], outcome_of: dict[str, str]
) -> None:
    shop.world.fails[failing] = DependencyError("somebody", "it broke")

    order = shop.logic.checkout("user-1", REQUEST, "key-1")

    reached = list(STEPS[: STEPS.index(failing) + 1])
    assert shop.steps_called() == [*reached, *undone, events.ORDER_CANCELLED]
    assert (order.status, order.failure) == ("cancelled", f"{failing}: it broke")
    compensations = {
        str(span.attributes["saga.step"]): span.attributes["saga.compensation"]
        for span in shop.spans.all()
        if span.name.startswith("saga compensate") and span.attributes
    }
    assert compensations == outcome_of
    assert all(charge.status == "refunded" for charge in shop.world.charges.values())
    assert all(one.status == "released" for one in shop.world.reservations.values())


def test_the_saga_and_its_steps_are_spans_one_below_the_other(shop: Scene) -> None:
    shop.world.fails["ship"] = DependencyError("shipping-service", "no carrier")

    order = shop.logic.checkout("user-1", REQUEST, "")

    saga = shop.spans.one("saga checkout")
    assert saga.attributes is not None
    assert dict(saga.attributes) == {
        "saga.id": order.saga_id,
        "saga.name": "checkout",
        "saga.outcome": "compensated",
        "saga.failed_step": "ship",
        "error.type": "DependencyError",
    }
    assert saga.status.status_code is StatusCode.ERROR
    of_saga = [span for span in shop.spans.all() if span.name.startswith("saga ")][1:]
    assert [span.name for span in of_saga] == [
        "saga step charge",
        "saga step reserve",
        "saga step email",
        "saga step ship",
        "saga compensate email",
        "saga compensate reserve",
        "saga compensate charge",
    ]
    for span in of_saga:
        assert span.parent is not None
        assert span.attributes is not None
        assert span.parent.span_id == saga.context.span_id
        assert span.attributes["saga.id"] == order.saga_id
        assert span.attributes["saga.step"] == span.name.split()[-1]
    failed = [span.name for span in of_saga if span.status.status_code is StatusCode.ERROR]
    assert failed == ["saga step ship"]
    types = {str((span.attributes or {}).get("error.type", "")) for span in of_saga}
    assert types == {"", "DependencyError"}
    assert (of_saga[3].attributes or {})["error.type"] == "DependencyError"


def test_an_email_cannot_be_undone_so_a_correction_follows_it(shop: Scene) -> None:
    shop.world.fails["ship"] = DependencyError("shipping-service", "no carrier")

    shop.logic.checkout("user-1", REQUEST, "")

    assert shop.world.emails == ["order-received", "correction"]
    attributes = shop.spans.one("saga compensate email").attributes
    assert attributes is not None
    assert attributes["saga.compensation"] == "impossible"
    assert "cannot be called back" in str(attributes["saga.compensation.reason"])


def test_a_forgotten_refund_leaves_the_charge_and_no_span_of_its_undoing(shop: Scene) -> None:
    shop.faults.on["saga-missing-compensation"] = {}
    shop.world.fails["ship"] = DependencyError("carrier", "nobody drives")

    order = shop.logic.checkout("user-1", REQUEST, "")

    assert order.status == "cancelled"
    assert [charge.status for charge in shop.world.charges.values()] == ["captured"]
    names = shop.spans.names()
    assert "saga compensate reserve" in names
    assert "saga compensate charge" not in names


def test_the_fault_of_the_email_makes_it_larger_than_any_message_may_be(shop: Scene) -> None:
    shop.faults.on["saga-email-fails"] = {}

    shop.logic.checkout("user-1", REQUEST, "")

    (email,) = shop.world.told(events.EMAIL_REQUESTED)
    assert len(email.data["attachment"]) > MAX_BODY_BYTES


def test_an_undo_is_tried_again_with_growing_pauses(shop: Scene) -> None:
    refused = DependencyUnavailable("payment-service", "away")
    shop.world.fails |= {"reserve": DependencyError("inventory-service", "x")}
    shop.world.fails["refund"] = [refused, refused, None]

    order = shop.logic.checkout("user-1", REQUEST, "")

    assert order.status == "cancelled"
    assert shop.slept == [0.1, 0.2]
    undo = shop.spans.one("saga compensate charge")
    assert undo.attributes is not None
    assert undo.attributes["saga.compensation"] == "done"
    assert [event.name for event in undo.events] == ["exception", "exception"]


def test_an_undo_that_fails_is_given_up_and_the_saga_says_failed(shop: Scene) -> None:
    shop.world.fails["email"] = DependencyError("broker", "x")
    shop.world.fails["release"] = DependencyUnavailable("inventory-service", "away")

    shop.logic.checkout("user-1", REQUEST, "")

    saga, undo = shop.spans.one("saga checkout"), shop.spans.one("saga compensate reserve")
    assert saga.attributes is not None
    assert undo.attributes is not None
    assert saga.attributes["saga.outcome"] == "failed"
    assert undo.attributes["saga.compensation"] == "failed"
    assert undo.status.status_code is StatusCode.ERROR
    assert undo.attributes["error.type"] == "DependencyUnavailable"
    # The others are undone all the same.
    assert shop.steps_called()[-2:] == ["refund", events.ORDER_CANCELLED]


def test_undoing_gives_up_before_the_customer_does(shop: Scene) -> None:
    def slow() -> None:
        shop.now += 9.95

    shop.world.before["refund"] = slow
    shop.world.fails["reserve"] = DependencyError("inventory-service", "x")
    shop.world.fails["refund"] = DependencyTimeout("payment-service", "late")

    shop.logic.checkout("user-1", REQUEST, "")

    assert shop.steps_called().count("refund") == 1


@pytest.mark.parametrize("has_happened", [True, False])
def test_a_step_that_timed_out_is_settled_under_its_key_and_undone(
    shop: Scene, has_happened: bool
) -> None:
    shop.world.fails["charge"] = [DependencyTimeout("payment-service", "late"), None]
    if has_happened:
        shop.world.happens_anyway.add("charge")

    order = shop.logic.checkout("user-1", REQUEST, "")

    assert order.status == "cancelled"
    assert shop.steps_called() == ["charge", "charge", "refund", events.ORDER_CANCELLED]
    assert [charge.status for charge in shop.world.charges.values()] == ["refunded"]


def test_a_step_that_timed_out_and_is_then_refused_never_took_effect(shop: Scene) -> None:
    late = DependencyTimeout("payment-service", "late")
    shop.world.fails["charge"] = [late, PaymentDeclined("no money")]

    shop.logic.checkout("user-1", REQUEST, "")

    undo = shop.spans.one("saga compensate charge")
    assert undo.attributes is not None
    assert undo.attributes["saga.compensation"] == "skipped"
    assert "refund" not in shop.world.calls


def test_a_bug_in_a_step_is_undone_like_any_failure_and_tells_no_internals(shop: Scene) -> None:
    shop.world.fails["reserve"] = [KeyError("secret"), None]

    order = shop.logic.checkout("user-1", REQUEST, "")

    assert order.failure == "reserve: internal error"
    assert shop.steps_called()[2:] == ["reserve", "release", "refund", events.ORDER_CANCELLED]


def test_a_process_that_lost_its_saga_to_another_stops_at_once(shop: Scene) -> None:
    def taken_over() -> None:
        shop.rows("UPDATE sagas SET fence = fence + 1 RETURNING saga_id")

    shop.world.before["reserve"] = taken_over

    order = shop.logic.checkout("user-1", REQUEST, "")

    assert shop.steps_called() == ["charge", "reserve"]
    assert order.status == "pending", "what becomes of it is the other's business"


def test_an_open_breaker_refuses_at_once_and_the_key_may_be_used_again(shop: Scene) -> None:
    shop.world.fails["charge"] = [CircuitOpen("payment-service", "it is open"), None]

    with pytest.raises(CircuitOpen):
        shop.logic.checkout("user-1", REQUEST, "key-1")
    order = shop.logic.checkout("user-1", REQUEST, "key-1")

    assert order.status == "confirmed"
    statuses = [row["status"] for row in shop.rows("SELECT status FROM orders ORDER BY status")]
    assert statuses == ["cancelled", "confirmed"]
    # Who gets an error for an answer needs no e-mail about a cancelled order.
    assert shop.world.told(events.ORDER_CANCELLED) == []


def test_a_broken_payment_service_is_no_answer_about_the_card(shop: Scene) -> None:
    broken = DependencyError("payment-service", "payment-service failed; its log says why")
    shop.world.fails["charge"] = [broken, PaymentDeclined("no money")]

    with pytest.raises(DependencyError) as failure:
        shop.logic.checkout("user-1", REQUEST, "key-1")
    declined = shop.logic.checkout("user-1", REQUEST, "key-1")

    assert failure.value.dependency == "payment-service"
    assert (declined.status, declined.failure) == ("cancelled", "charge: no money")
    # Nothing was done, so nothing was compensated.
    sagas = [span for span in shop.spans.all() if span.name.startswith("saga ")]
    assert [span.name for span in sagas] == ["saga checkout", "saga step charge"] * 2
    assert [(span.attributes or {})["saga.outcome"] for span in sagas[::2]] == ["failed"] * 2
    # And nobody has to look after them.
    assert {row["status"] for row in shop.rows("SELECT status FROM sagas")} == {"compensated"}
    assert shop.logic.abandoned_sagas(of_owner=True) == []


def test_a_quick_order_needs_no_payment_service(shop: Scene) -> None:
    shop.world.fails["charge"] = CircuitOpen("payment-service", "it is open")

    assert shop.logic.quick_order("user-1", REQUEST, "").status == "pending"
