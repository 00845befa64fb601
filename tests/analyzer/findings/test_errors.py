"""Errors that reach the user, and errors that somebody absorbs."""

from __future__ import annotations

from time import process_time

import pytest

from longpole.analyzer.findings.errors import ABSORBED_ERROR, ERROR_PROPAGATION
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.model.finding import FindingSeverity
from tests.analyzer.findings.stories import CLIENT, CONSUMER, INTERNAL, MS, PRODUCER, SERVER, Story


def failing_chain(services: list[str], message: str = "no such column: total") -> Story:
    """Each service fails because the one it calls fails; the last one by itself."""
    story = Story()
    above = story.add(0, 0, 100, services[0], f"GET /{services[0]}", SERVER, error=message)
    for depth, (caller, callee) in enumerate(zip(services, services[1:], strict=False), 1):
        _, above = story.call(
            above, depth, 100 - depth, f"{caller} > {callee}", f"GET /{callee}", error=message
        )
    return story


def test_an_error_is_followed_down_to_where_it_began() -> None:
    finding = failing_chain(["gateway", "order", "payment"]).only(ERROR_PROPAGATION)
    assert (finding.service, finding.operation) == ("payment", "GET /payment")
    assert finding.severity is FindingSeverity.WARNING
    assert finding.saving_ns == 0
    assert finding.span_ids == (5, 4, 3, 2, 1)
    assert finding.reason == (
        "payment › GET /payment fails (no such column: total), and the error goes through order "
        "up to gateway › GET /gateway: 5 failed spans in 3 services."
    )
    assert finding.action.startswith("Mend the cause in payment › GET /payment.")


def test_a_cascade_through_four_services_is_critical() -> None:
    finding = failing_chain(["gateway", "order", "payment", "ledger"]).only(ERROR_PROPAGATION)
    assert finding.severity is FindingSeverity.CRITICAL


def test_the_same_fault_has_the_same_fingerprint_whatever_the_message() -> None:
    one, other = (
        failing_chain(["gateway", "order"], words).only(ERROR_PROPAGATION)
        for words in ("order 17 is locked", "order 18 is locked")
    )
    assert one.fingerprint == other.fingerprint
    different = failing_chain(["gateway", "stock"]).only(ERROR_PROPAGATION)
    assert different.fingerprint != one.fingerprint


def test_a_service_that_fails_by_itself_propagates_nothing() -> None:
    assert not failing_chain(["gateway"]).findings(ERROR_PROPAGATION)


def test_a_database_without_spans_counts_as_a_place_where_errors_come_from() -> None:
    story = Story()
    root = story.add(0, 0, 50, "order", "GET /orders", SERVER, error="connection reset")
    story.add(
        root, 5, 45, "order", "SELECT orders", CLIENT,
        error="connection reset", attributes={"db.system.name": "postgresql"},
    )  # fmt: skip
    finding = story.only(ERROR_PROPAGATION)
    assert (finding.service, finding.operation) == ("order", "SELECT orders")
    assert "from postgresql up to order › GET /orders" in finding.reason


def test_an_inner_span_that_is_silent_about_the_error_does_not_stop_it() -> None:
    story = Story()
    root = story.add(0, 0, 50, "gateway", "GET /", SERVER, error="boom")
    inner = story.add(root, 1, 49, "gateway", "render", INTERNAL)
    story.call(inner, 2, 48, "gateway > order", "GET /orders", error="boom")
    assert story.only(ERROR_PROPAGATION).service == "order"
    assert not story.findings(ABSORBED_ERROR)


def test_of_two_failures_the_one_that_the_caller_repeats_is_the_cause() -> None:
    story = Story()
    root = story.add(0, 0, 90, "gateway", "GET /", SERVER, error="order: table orders is locked")
    story.call(root, 1, 20, "gateway > order", "GET /orders", error="table orders is locked")
    story.call(root, 30, 80, "gateway > stock", "GET /stock", error="out of paper")
    assert story.only(ERROR_PROPAGATION).service == "order"


def test_of_several_attempts_the_last_one_is_the_cause() -> None:
    story = Story()
    root = story.add(0, 0, 90, "gateway", "GET /", SERVER, error="gave up")
    for start in (1, 30, 60):
        story.call(root, start, start + 20, "gateway > order", "GET /orders", error="503")
    assert story.only(ERROR_PROPAGATION).span_ids == (7, 6, 1)


def test_a_retry_that_succeeds_is_neither_propagation_nor_absorption() -> None:
    story = Story()
    root = story.add(0, 0, 90, "gateway", "GET /", SERVER)
    story.call(root, 1, 20, "gateway > order", "GET /orders", error="503")
    story.call(root, 30, 50, "gateway > order", "GET /orders")
    assert not story.findings(ERROR_PROPAGATION)
    assert not story.findings(ABSORBED_ERROR)


def test_a_404_that_the_caller_expects_is_nothing() -> None:
    story = Story()
    root = story.add(0, 0, 90, "gateway", "GET /", SERVER)
    story.call(root, 1, 20, "gateway > user", "GET /users/{id}", error="Not Found", status=404)
    assert not story.findings(ERROR_PROPAGATION)
    assert not story.findings(ABSORBED_ERROR)


def test_a_404_that_is_passed_on_is_no_failure() -> None:
    story = Story()
    answer = {"http.response.status_code": 404}
    root = story.add(0, 0, 90, "gateway", "GET /users/{id}", SERVER, attributes=answer)
    story.call(root, 1, 20, "gateway > user", "GET /users/{id}", error="Not Found", status=404)
    assert not story.findings(ERROR_PROPAGATION)


def test_a_429_that_nobody_handles_is_a_failure() -> None:
    story = Story()
    root = story.add(0, 0, 90, "gateway", "GET /", SERVER)
    story.call(root, 1, 20, "gateway > user", "GET /users/{id}", error="slow down", status=429)
    assert story.only(ABSORBED_ERROR).service == "gateway"


def test_a_failure_that_the_user_gets_as_a_4xx_is_information() -> None:
    story = Story()
    refused = {"http.response.status_code": 402}
    root = story.add(0, 0, 90, "gateway", "POST /orders", SERVER, attributes=refused)
    inner = story.add(root, 1, 80, "gateway", "charge", INTERNAL, error="declined")
    story.call(inner, 2, 70, "gateway > payment", "Payments/Charge", error="declined")
    finding = story.only(ERROR_PROPAGATION)
    assert (finding.service, finding.severity) == ("payment", FindingSeverity.INFO)


def checkout(*, grpc: bool = True) -> Story:
    """A card is declined outside, payment fails, a part of order fails, and order answers 201."""
    story = Story()
    root = story.add(0, 0, 90, "gateway", "POST /api/orders", SERVER)
    _, order = story.call(root, 1, 85, "gateway > order", "POST /orders", status=201)
    saga = story.add(order, 5, 80, "order", "checkout", INTERNAL, error="charge: declined by bank")
    refused = {"rpc.grpc.status_code": 9} if grpc else {"http.response.status_code": 402}
    client = story.add(
        saga, 10, 70, "order", "Payments/Charge", CLIENT,
        error="declined by bank", attributes=refused,
    )  # fmt: skip
    payment = story.add(client, 11, 69, "payment", "Payments/Charge", SERVER, attributes=refused)
    story.add(
        payment, 20, 60, "payment", "POST /authorisations", CLIENT,
        error="", attributes={"http.response.status_code": 402, "server.address": "bank"},
    )  # fmt: skip
    return story


@pytest.mark.parametrize("grpc", [True, False])
def test_a_part_that_fails_because_of_another_service_is_told_though_the_request_goes_on(
    grpc: bool,
) -> None:
    story = checkout(grpc=grpc)
    finding = story.only(ERROR_PROPAGATION)
    assert (finding.service, finding.operation) == ("payment", "Payments/Charge")
    assert finding.severity is FindingSeverity.INFO
    assert finding.reason == (
        "payment › Payments/Charge fails (declined by bank), and the error goes up to order › "
        "checkout: 2 failed spans in 2 services. order › POST /orders itself ends without an error."
    )
    assert not story.findings(ABSORBED_ERROR), "once is enough"


def test_an_error_behind_a_message_does_not_reach_the_sender() -> None:
    story = Story()
    root = story.add(0, 0, 40, "shop", "POST /orders", SERVER, error="disk full")
    sent = story.add(root, 1, 5, "shop", "send orders", PRODUCER)
    taken = story.add(sent, 6, 90, "mailer", "process orders", CONSUMER, error="no template")
    story.call(taken, 7, 80, "mailer > templates", "GET /templates", error="no template")
    finding = story.only(ERROR_PROPAGATION)
    assert finding.service == "templates", "the consumer's own failure is the only chain"
    assert "up to mailer › process orders" in finding.reason
    assert not story.findings(ABSORBED_ERROR)


def test_a_fallback_is_told_as_information_with_what_it_costs() -> None:
    story = Story()
    root = story.add(0, 0, 100, "gateway", "GET /home", SERVER)
    story.call(root, 10, 70, "gateway > recommendation", "GET /recommendations", error="timeout")
    finding = story.only(ABSORBED_ERROR)
    assert finding.severity is FindingSeverity.INFO
    assert finding.saving_ns == 60 * MS
    assert finding.reason == (
        "gateway › GET /recommendations fails (timeout), and gateway › GET /home goes on without "
        "an error. The failed part holds 60 ms of the path."
    )


def test_each_kind_of_absorbed_error_is_told_once() -> None:
    story = Story()
    root = story.add(0, 0, 100, "gateway", "GET /home", SERVER)
    for start in (10, 30, 50):
        story.call(root, start, start + 10, "gateway > ads", "GET /ads", error="503")
    finding = story.only(ABSORBED_ERROR)
    assert finding.reason.startswith("gateway › GET /ads fails 3 times (503)")


def test_many_failures_deep_below_do_not_each_climb_the_whole_way() -> None:
    story = Story()
    above = story.add(0, 0, 10_000, "gateway", "GET /home", SERVER)
    for _ in range(3_000):
        above = story.add(above, 0, 10_000, "gateway", "inner", INTERNAL)
    for place in range(3_000):
        story.add(above, place / 2, place / 2 + 0.1, "gateway", "GET /ads", CLIENT, error="503")
    explanation = story.explained()
    begin = process_time()
    (finding,) = ABSORBED_ERROR.look(explanation, Thresholds())
    assert finding.reason.startswith("gateway › GET /ads fails 3000 times")
    assert process_time() - begin < 1, "9 million steps would take several times as long"


@pytest.mark.parametrize("code", ["3", "5", "6", "16"])
def test_a_grpc_status_that_says_no_is_an_answer(code: str) -> None:
    story = Story()
    root = story.add(0, 0, 90, "gateway", "GET /", SERVER)
    story.add(
        root, 1, 20, "gateway", "Stock/Get", CLIENT,
        error="no", attributes={"rpc.grpc.status_code": int(code)},
    )  # fmt: skip
    assert not story.findings(ABSORBED_ERROR)
