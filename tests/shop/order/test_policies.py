"""Policies: how calls are made, and how the faults make them worse."""

from __future__ import annotations

from shop.chassis.caller import HttpCaller
from shop.chassis.errors import DependencyUnavailable
from shop.inventory.client import InventoryClient
from shop.inventory.contract import Line, Reservation
from shop.order import policies
from tests.shop.calls.servers import Here, serving, shop_app
from tests.shop.order.world import Switches


def test_a_storm_of_retries_has_no_pauses_and_no_breaker() -> None:
    faults = Switches()
    arrivals: list[int] = []
    slept: list[float] = []
    faults.on["order-retry-storm"] = {"failure_share": 1.0, "attempts": 8}
    app = shop_app()

    @app.post("/v1/reservations")
    def reserve() -> Reservation:
        arrivals.append(len(arrivals))
        if len(arrivals) < 8:
            raise DependencyUnavailable("inventory-service", "not now")
        return Reservation(reservation_id="r", order_id="o", lines=[], status="reserved")

    with serving(app) as address:
        policy = policies.inventory_policy(faults)
        caller = HttpCaller("inventory-service", policy, Here(address), sleep=slept.append)
        InventoryClient(caller).reserve("o", [Line(sku="sku-1", quantity=1)], "key")
        caller.close()

    assert len(arrivals) == 8
    assert set(slept) == {0.0}


def test_policies_change_as_their_faults_are_switched() -> None:
    faults = Switches()
    payment, inventory = policies.payment_policy(faults), policies.inventory_policy(faults)
    assert (payment(), inventory()) == (policies.PAYMENT, policies.INVENTORY)

    faults.on["payment-slow"] = {"seconds": 3.0}
    faults.on["order-retry-storm"] = {"failure_share": 0.7, "attempts": 5}

    assert (payment().timeout_seconds, payment().breaker_failures) == (30.0, 0)
    assert (inventory().max_attempts, inventory().breaker_failures) == (5, 0)
    faults.on.clear()
    assert (payment(), inventory()) == (policies.PAYMENT, policies.INVENTORY)


def test_a_slow_query_of_payment_service_is_waited_for() -> None:
    # The fault payment-slow-query takes 4.3 s: the trace has to show that, not a timeout.
    assert policies.PAYMENT.timeout_seconds > 4.3 + 2.0
