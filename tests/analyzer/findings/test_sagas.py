"""Sagas: steps, the failed one, what was undone and what was left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from longpole.analyzer.findings.errors import ABSORBED_ERROR, ERROR_PROPAGATION
from longpole.analyzer.findings.sagas import SAGA_COMPENSATION, SAGA_UNCOMPENSATED
from longpole.analyzer.findings.undoing import undoes
from longpole.model.finding import FindingSeverity
from tests.analyzer.findings.stories import CLIENT, INTERNAL, MS, SERVER, Story

STEPS = (("charge", "payment", "Payments/Charge"), ("reserve", "stock", "POST /reservations"))


def named_saga(undone: tuple[str, ...], *, broken: tuple[str, ...] = ()) -> Story:
    """`saga checkout` charges, reserves, and fails to ship; it undoes `undone` but for `broken`."""
    story = Story()
    root = story.add(0, 0, 200, "order", "POST /orders", SERVER)
    saga = story.add(root, 5, 195, "order", "saga checkout", INTERNAL, error="ship: no carrier")
    for place, (name, callee, call) in enumerate(STEPS):
        start = 10 + 30 * place
        step = story.add(saga, start, start + 25, "order", f"saga step {name}")
        story.call(step, start + 1, start + 24, f"order > {callee}", call)
    step = story.add(saga, 80, 100, "order", "saga step ship", error="no carrier")
    story.call(step, 81, 99, "order > shipping", "POST /shipments", error="no carrier")
    for place, name in enumerate(undone):
        start = 110 + 30 * place
        story.add(
            saga, start, start + 20, "order", f"saga compensate {name}",
            error="it is gone" if name in broken else None,
        )  # fmt: skip
    return story


def test_a_saga_that_undid_all_is_told_with_its_steps() -> None:
    story = named_saga(("reserve", "charge"))
    finding = story.only(SAGA_COMPENSATION)
    assert (finding.service, finding.operation) == ("shipping", "POST /shipments")
    assert finding.severity is FindingSeverity.WARNING
    assert finding.saving_ns == 40 * MS, "two compensations of 20 ms"
    assert finding.reason == (
        "order › saga checkout fails at ship, in shipping › POST /shipments (no carrier), after "
        "2 completed steps (charge, reserve). Undone: reserve by saga compensate reserve, charge "
        "by saga compensate charge, in 40 ms of the path. Nothing is left over."
    )
    assert not story.findings(SAGA_UNCOMPENSATED)
    assert not story.findings(ABSORBED_ERROR)
    assert not story.findings(ERROR_PROPAGATION)


def test_a_step_that_nothing_undoes_is_critical_and_tells_the_whole_story() -> None:
    story = named_saga(("reserve",))
    finding = story.only(SAGA_UNCOMPENSATED)
    assert (finding.service, finding.operation) == ("order", "saga checkout")
    assert finding.severity is FindingSeverity.CRITICAL
    assert "Nothing undoes charge: what was done there stands." in finding.reason
    assert "Undone: reserve by saga compensate reserve, in 20 ms" in finding.reason
    assert finding.span_ids[0] == 3, "the step that stands is the first evidence"
    assert finding.action.startswith("Undo charge by hand")
    assert not story.findings(SAGA_COMPENSATION), "one saga, one finding"


def test_a_compensation_that_fails_leaves_its_step() -> None:
    finding = named_saga(("reserve", "charge"), broken=("charge",)).only(SAGA_UNCOMPENSATED)
    assert "Undoing charge failed too: what was done there stands." in finding.reason
    assert "Undone: reserve" in finding.reason


def test_what_cannot_be_taken_back_is_said() -> None:
    story = named_saga(("reserve", "charge"))
    story.spans[-1] = replace(story.spans[-1], attributes={"saga.compensation": "impossible"})
    reason = story.only(SAGA_COMPENSATION).reason
    assert "charge by saga compensate charge (which can only soften it)" in reason
    assert reason.endswith("charge cannot be taken back.")


def test_a_saga_that_undoes_nothing_at_all_is_found_by_its_name() -> None:
    finding = named_saga(()).only(SAGA_UNCOMPENSATED)
    assert "Nothing undoes charge, reserve" in finding.reason
    assert finding.saving_ns == 0


def test_a_saga_that_completes_is_nothing() -> None:
    story = Story()
    saga = story.add(0, 0, 100, "order", "saga checkout")
    for place, (name, _, _) in enumerate(STEPS):
        story.add(saga, 10 + 30 * place, 30 + 30 * place, "order", f"saga step {name}")
    assert not story.findings(SAGA_COMPENSATION)
    assert not story.findings(SAGA_UNCOMPENSATED)


def test_a_saga_that_fails_at_its_first_step_has_nothing_to_undo() -> None:
    story = Story()
    saga = story.add(0, 0, 100, "order", "saga checkout", error="declined")
    story.add(saga, 10, 30, "order", "saga step charge", error="declined")
    story.add(saga, 30, 40, "order", "UPDATE sagas", CLIENT)
    assert not story.findings(SAGA_COMPENSATION)
    assert not story.findings(SAGA_UNCOMPENSATED)


def test_the_bookkeeping_of_a_saga_is_no_step() -> None:
    story = named_saga(("reserve", "charge"))
    for start in (36, 71, 101, 131):
        story.add(2, start, start + 2, "order", "db.pool.acquire")
        story.add(2, start + 2, start + 4, "order", "reserve connection")
    assert "2 completed steps (charge, reserve)" in story.only(SAGA_COMPENSATION).reason


def test_a_step_that_only_reads_need_not_be_undone() -> None:
    story = named_saga(("reserve", "charge"))
    step = story.add(2, 6, 9, "order", "saga step address")
    story.call(step, 6.5, 8.5, "order > user", "GET /users/{id}")
    assert story.only(SAGA_COMPENSATION)


def plain_saga(*undoings: str, conductor_fails: bool = True, failure: bool = True) -> Story:
    """A handler that calls charge, reservation and shipment without the word saga."""
    story = Story()
    root = story.add(
        0, 0, 300, "order", "POST /orders", SERVER, error="no carrier" if conductor_fails else None
    )
    story.call(root, 10, 30, "order > payment", "POST /v1/charges")
    story.call(root, 40, 60, "order > stock", "POST /v1/reservations")
    story.call(
        root, 70, 90, "order > shipping", "POST /v1/shipments",
        error="no carrier" if failure else None,
    )  # fmt: skip
    for place, name in enumerate(undoings):
        callee = "payment" if "charge" in name or "refund" in name else "stock"
        start = 100 + 30 * place
        story.call(root, start, start + 20, f"order > {callee}", name)
    return story


def test_a_saga_is_known_by_pairs_of_verbs_alone() -> None:
    story = plain_saga("DELETE /v1/reservations/{id}", "POST /v1/charges/{id}/refund")
    finding = story.only(SAGA_COMPENSATION)
    assert (finding.service, finding.operation) == ("shipping", "POST /v1/shipments")
    assert "POST /v1/reservations by DELETE /v1/reservations/{id}" in finding.reason
    assert "POST /v1/charges by POST /v1/charges/{id}/refund" in finding.reason
    assert not story.findings(SAGA_UNCOMPENSATED)


def test_a_binding_step_beside_undone_ones_is_left_over() -> None:
    finding = plain_saga("DELETE /v1/reservations/{id}").only(SAGA_UNCOMPENSATED)
    assert finding.severity is FindingSeverity.CRITICAL
    assert "Nothing undoes POST /v1/charges" in finding.reason


def test_without_any_compensation_a_plain_handler_is_only_information() -> None:
    finding = plain_saga().only(SAGA_UNCOMPENSATED)
    assert finding.severity is FindingSeverity.INFO


def test_a_handler_that_goes_on_without_a_failed_call_leaves_nothing() -> None:
    story = plain_saga(conductor_fails=False)
    assert not story.findings(SAGA_UNCOMPENSATED)
    assert not story.findings(SAGA_COMPENSATION)


def test_reserving_and_releasing_in_good_order_is_no_saga() -> None:
    story = plain_saga("DELETE /v1/reservations/{id}", conductor_fails=False, failure=False)
    assert not story.findings(SAGA_UNCOMPENSATED)
    assert not story.findings(SAGA_COMPENSATION)


def test_a_step_that_was_repeated_with_success_has_not_failed() -> None:
    story = Story()
    root = story.add(0, 0, 300, "order", "POST /orders", SERVER)
    story.call(root, 10, 30, "order > payment", "POST /v1/charges")
    story.call(root, 40, 60, "order > stock", "POST /v1/reservations", error="503")
    story.call(root, 70, 90, "order > stock", "POST /v1/reservations")
    story.call(root, 100, 120, "order > payment", "POST /v1/charges/{id}/refund")
    assert not story.findings(SAGA_COMPENSATION)
    assert not story.findings(SAGA_UNCOMPENSATED)


PAIRS = [
    ("releaseStock", "reserveStock"),
    ("Inventory/Release", "Inventory/Reserve"),
    ("shop.payment.v1.PaymentService/Refund", "shop.payment.v1.PaymentService/Charge"),
    ("DELETE /v1/reservations/{id}", "POST /v1/reservations"),
    ("POST /refunds", "POST /payments"),
    ("cancelOrder", "createOrder"),
    ("order.cancelled.undo order", "create order"),
    ("compensate charge", "charge"),
    ("rollback_shipment", "create_shipment"),
    ("VoidAuthorization", "Authorize"),
    ("CancelHotel", "BookHotel"),
    ("UnbookFlight", "BookFlight"),
    ("credit account", "debit account"),
]
STRANGERS = [
    ("releaseStock", "chargeCard"),
    ("DELETE /v1/carts/{id}", "POST /v1/reservations"),
    ("POST /x/cancel", "POST /y"),
    ("GET /v1/reservations/{id}", "POST /v1/reservations"),
    ("cancelHotel", "GET /hotels"),
    ("reserveStock", "releaseStock"),
    ("charge", "charge"),
]


@pytest.mark.parametrize(("later", "earlier"), PAIRS)
def test_a_name_undoes_another(later: str, earlier: str) -> None:
    assert undoes(later, earlier, False)


@pytest.mark.parametrize(("later", "earlier"), STRANGERS)
def test_a_name_undoes_no_other(later: str, earlier: str) -> None:
    assert not undoes(later, earlier, False)


def test_at_the_same_callee_a_bare_cancel_undoes_what_was_done_there() -> None:
    assert undoes("cancel", "BookHotel", True)
    assert not undoes("cancel", "BookHotel", False)
