"""The topology: which instances keep their id when their process is started again."""

from __future__ import annotations

from pathlib import Path

from shop.topology import Addresses, plan_local

PLANS = {
    plan.name: plan
    for plan in plan_local(Addresses("http://g", "http://r", "http://b", "http://o"), Path(), "key")
}


def ids(name: str) -> list[str]:
    """The instance ids of the first processes of that plan."""
    return [PLANS[name].in_life(life).environment["SHOP_INSTANCE_ID"] for life in (1, 2, 3)]


def test_a_process_without_a_past_is_a_new_instance_each_time() -> None:
    assert ids("recommendation-service-1") == [
        "recommendation-service-1",
        "recommendation-service-1-life-2",
        "recommendation-service-1-life-3",
    ]


def test_whoever_owns_sagas_or_is_found_by_its_id_keeps_it() -> None:
    kept = {name: set(ids(name)) for name in PLANS if not name.startswith("recommendation")}
    assert kept == {name: {name} for name in kept}
    assert {"order-service-1", "inventory-service-2"} <= kept.keys()


def test_nothing_else_changes_with_a_new_life() -> None:
    first = PLANS["recommendation-service-1"]
    second = first.in_life(2)
    assert (second.name, second.program) == (first.name, first.program)
    changed = {
        key for key in first.environment if first.environment[key] != second.environment[key]
    }
    assert changed == {"SHOP_INSTANCE_ID"}
