"""Switches: faults and flags as heartbeats tell them."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider

from shop.chassis.switches import MOST_NOTED, HeldFaults, HeldFlags, variant_of
from shop.faults.catalogue import CATALOGUE

USERS = [f"user-{number}" for number in range(1000)]


def test_a_fault_is_off_until_it_is_heard_of_and_after_it_is_gone() -> None:
    faults = HeldFaults()
    assert faults.active("payment-slow") is None

    faults.hold({"payment-slow": {"seconds": 2.0}, "from-a-newer-registry": {}})
    assert faults.active("payment-slow") == {"seconds": 2.0}
    assert faults.active("payment-down") is None

    faults.hold({})
    assert faults.active("payment-slow") is None


def test_a_misspelt_fault_is_a_mistake_in_the_code() -> None:
    with pytest.raises(KeyError):
        HeldFaults().active("payment-slo")


def test_the_traces_in_which_a_fault_acted_are_taken_once() -> None:
    faults = HeldFaults()
    tracer = TracerProvider().get_tracer("test")
    faults.acted("payment-slow")  # In no trace.
    with tracer.start_as_current_span("request") as span:
        faults.acted("payment-slow")
        faults.acted("payment-slow")
    faults.acted("inventory-clock-skew", 10)
    own = format(span.get_span_context().trace_id, "032x")

    taken = faults.take_noted()
    assert taken == {"payment-slow": [own], "inventory-clock-skew": [f"{10:032x}"]}
    assert faults.take_noted() == {}
    assert span.attributes == {}  # type: ignore[attr-defined]


def test_traces_that_nobody_takes_stay_few() -> None:
    faults = HeldFaults()
    for trace_id in range(1, MOST_NOTED + 50):
        faults.acted("payment-slow", trace_id)
    faults.note({"payment-slow": ["ab" * 16] * 5})
    assert len(faults.take_noted()["payment-slow"]) == MOST_NOTED


def test_a_user_keeps_the_variant_while_the_rollout_stays() -> None:
    flags = HeldFlags()
    flags.hold({"ranking": {"variants": {"personal": 30, "popular": 70}}})
    first = [flags.variant("ranking", "popular", user) for user in USERS]
    flags.hold({"ranking": {"variants": {"personal": 30, "popular": 70}}})

    assert [flags.variant("ranking", "popular", user) for user in USERS] == first
    assert 250 < first.count("personal") < 350


def test_a_larger_share_only_adds_users() -> None:
    def share(percent: float) -> set[str]:
        rollout = {"on": percent, "off": 100 - percent}
        return {user for user in USERS if variant_of(rollout, "f", user) == "on"}

    assert share(0) == set()
    assert share(10) < share(40) < share(100) == set(USERS)


def test_flags_choose_their_users_independently() -> None:
    rollout = {"on": 50.0, "off": 50.0}
    both = [variant_of(rollout, "a", user) == variant_of(rollout, "b", user) for user in USERS]

    assert 400 < sum(both) < 600


def test_an_unknown_flag_gives_the_default() -> None:
    assert HeldFlags().variant("none", "calm", "user-1") == "calm"


def test_the_evaluation_is_on_the_span() -> None:
    flags = HeldFlags()
    flags.hold({"ranking": {"variants": {"personal": 1}}})
    with TracerProvider().get_tracer("test").start_as_current_span("x") as span:
        assert flags.variant("ranking", "popular", "user-1") == "personal"

    said = {
        "feature_flag.key": "ranking",
        "feature_flag.result.variant": "personal",
        "feature_flag.provider.name": "shop-registry",
    }
    assert dict(span.attributes) == said  # type: ignore[attr-defined]
    (event,) = span.events  # type: ignore[attr-defined]
    assert (event.name, dict(event.attributes)) == ("feature_flag.evaluation", said)


def test_the_catalogue_has_what_the_labels_need() -> None:
    assert len(CATALOGUE) >= 20
    for fault in CATALOGUE.values():
        assert fault.name.startswith(fault.service.removesuffix("-service")) or "saga" in fault.name
        assert fault.visible in ("trace", "window")
        assert len(fault.edge) in (0, 2)
