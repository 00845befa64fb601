"""Deep chains of services, and circles."""

from __future__ import annotations

from longpole.analyzer.findings.chains import CYCLIC_DEPENDENCY, DEEP_SYNC_CHAIN
from longpole.model.finding import FindingSeverity
from tests.analyzer.findings.stories import CLIENT, CONSUMER, INTERNAL, MS, PRODUCER, SERVER, Story


def chain(count: int, hop_ms: float = 40, *, slow_hop: int = -1, slow_ms: float = 0) -> Story:
    """`count` services that each work `hop_ms` before they ask the next; one may take longer."""
    story = Story()
    own = [slow_ms if place == slow_hop else hop_ms for place in range(count)]
    end, start = sum(own), 0.0
    above = story.add(0, start, end, "s0", "GET /0", SERVER)
    for place in range(1, count):
        start += own[place - 1]
        client = story.add(above, start, end, f"s{place - 1}", f"GET /{place}", CLIENT)
        above = story.add(client, start, end, f"s{place}", f"GET /{place}", SERVER)
    return story


def test_six_services_that_wait_for_each_other_are_a_deep_chain() -> None:
    finding = chain(6).only(DEEP_SYNC_CHAIN)
    assert (finding.service, finding.operation) == ("s0", "GET /0")
    assert finding.severity is FindingSeverity.WARNING
    assert finding.saving_ns == 5 * 40 * MS, "at best all six work at the same time"
    assert finding.span_ids == (1, 3, 5, 7, 9, 11)
    assert finding.reason == (
        "s0 › GET /0 waits for 6 services that wait for each other, s0 → s1 → s2 → s3 → s4 → s5: "
        "240 ms in all, of which none keeps more than 17 % for itself."
    )


def test_nine_services_are_critical() -> None:
    assert chain(9).only(DEEP_SYNC_CHAIN).severity is FindingSeverity.CRITICAL


def test_five_services_are_none() -> None:
    assert not chain(5).findings(DEEP_SYNC_CHAIN)


def test_where_one_hop_takes_the_time_the_hop_is_slow_and_not_the_chain() -> None:
    assert not chain(7, slow_hop=3, slow_ms=600).findings(DEEP_SYNC_CHAIN)


def test_a_slow_query_at_the_end_of_a_chain_is_not_the_chain() -> None:
    assert not chain(7, slow_hop=6, slow_ms=600).findings(DEEP_SYNC_CHAIN)


def test_a_slow_hop_before_the_chain_does_not_hide_it() -> None:
    finding = chain(8, slow_hop=0, slow_ms=900).only(DEEP_SYNC_CHAIN)
    assert finding.saving_ns == 6 * 40 * MS
    assert finding.reason.startswith("s0 › GET /0 waits for 7 services that wait for each other")


def test_many_services_called_side_by_side_are_no_chain() -> None:
    story = Story()
    root = story.add(0, 0, 100, "gateway", "GET /", SERVER)
    for place in range(8):
        story.call(root, 1, 90 + place, f"gateway > s{place}", f"GET /{place}")
    assert not story.findings(DEEP_SYNC_CHAIN)


def test_a_service_that_calls_itself_counts_once() -> None:
    story = Story()
    above = story.add(0, 0, 100, "tree", "GET /", SERVER)
    for depth in range(1, 9):
        _, above = story.call(above, depth, 100 - depth, "tree > tree", "GET /node")
    for place in range(6):  # other services, so that there are enough of them
        story.call(above, 20, 21, f"tree > leaf{place}", "GET /leaf")
    assert not story.findings(DEEP_SYNC_CHAIN)
    assert not story.findings(CYCLIC_DEPENDENCY), "recursion inside one service is no cycle"


def test_proxies_do_not_lengthen_a_chain() -> None:
    story = Story()
    above = story.add(0, 0, 100, "envoy-edge", "ingress", SERVER)
    for depth, service in enumerate(["a", "a-envoy", "b", "istio-proxy", "c", "d"], 1):
        _, above = story.call(above, depth, 100 - depth, f"x > {service}", "GET /")
    assert not story.findings(DEEP_SYNC_CHAIN)


def cycle(*, kind: int = SERVER) -> Story:
    story = Story()
    root = story.add(0, 0, 300, "order", "POST /orders", SERVER)
    _, shipping = story.call(root, 50, 250, "order > shipping", "POST /shipments")
    back = story.add(shipping, 60, 210, "shipping", "GET /orders/{id}", CLIENT)
    story.add(back, 61, 209, "order", "GET /orders/{id}", kind)
    return story


def test_a_service_called_back_by_the_one_it_waits_for_is_a_cycle() -> None:
    finding = cycle().only(CYCLIC_DEPENDENCY)
    assert (finding.service, finding.operation) == ("shipping", "GET /orders/{id}")
    assert finding.severity is FindingSeverity.WARNING
    assert finding.saving_ns == 150 * MS
    assert finding.span_ids == (4, 5, 1)
    assert finding.reason == (
        "order › POST /orders waits for shipping, which calls back into order "
        "(GET /orders/{id}, 150 ms of the path): when all workers wait like this, none is left "
        "to answer."
    )


def test_a_cycle_over_three_services_is_found() -> None:
    story = Story()
    above = story.add(0, 0, 300, "a", "GET /", SERVER)
    for depth, pair in enumerate(["a > b", "b > c", "c > a"], 1):
        _, above = story.call(above, depth * 10, 300 - depth * 10, pair, f"GET /{depth}")
    assert story.only(CYCLIC_DEPENDENCY).service == "c"


def test_two_services_that_call_each_other_by_many_operations_are_one_cycle() -> None:
    story = Story()
    above = story.add(0, 0, 1_000, "a", "GET /", SERVER)
    for depth in range(1, 41):
        pair = "a > b" if depth % 2 else "b > a"
        _, above = story.call(above, depth * 10, 1_000 - depth * 10, pair, f"GET /{depth}")
    finding = story.only(CYCLIC_DEPENDENCY)
    assert (finding.service, finding.operation) == ("b", "GET /2")
    assert finding.saving_ns == 960 * MS, "what is within each other counts once"
    assert finding.reason.startswith(
        "a › GET / waits for b, which calls back into a 20 times (GET /2, GET /4, GET /6 and "
        "17 more operations, 960 ms of the path)"
    )


def test_each_operation_of_a_cycle_has_its_evidence_before_the_second_call_of_any() -> None:
    story = Story()
    root = story.add(0, 0, 1_000, "a", "GET /", SERVER)
    _, below = story.call(root, 1, 999, "a > b", "GET /b")
    for place in range(30):
        story.call(below, 10 + place * 20, 20 + place * 20, "b > a", "GET /often")
    call, _ = story.call(below, 800, 810, "b > a", "GET /once")
    finding = story.only(CYCLIC_DEPENDENCY)
    assert finding.operation == "GET /often"
    assert call in finding.span_ids
    assert len(finding.span_ids) == 50


def test_an_answer_by_message_closes_no_circle() -> None:
    story = Story()
    root = story.add(0, 0, 300, "order", "POST /orders", SERVER)
    _, shipping = story.call(root, 50, 250, "order > shipping", "POST /shipments")
    sent = story.add(shipping, 60, 61, "shipping", "send shipped", PRODUCER)
    story.add(sent, 62, 209, "order", "process shipped", CONSUMER)
    assert not story.findings(CYCLIC_DEPENDENCY)


def test_two_calls_in_a_row_are_no_circle() -> None:
    story = Story()
    root = story.add(0, 0, 300, "gateway", "GET /", SERVER)
    for start in (10, 100):
        _, order = story.call(root, start, start + 80, "gateway > order", "GET /orders")
        story.call(order, start + 10, start + 60, "order > stock", "GET /stock")
    assert not story.findings(CYCLIC_DEPENDENCY)


def test_proxies_are_entered_again_and_again_without_a_cycle() -> None:
    story = Story()
    above = story.add(0, 0, 300, "gateway", "GET /", SERVER)
    services = ["envoy", "order", "envoy", "stock", "envoy", "shelf"]
    for depth, (caller, callee) in enumerate(
        zip(["gateway", *services], services, strict=False), 1
    ):
        _, above = story.call(above, depth, 300 - depth, f"{caller} > {callee}", "GET /")
    assert not story.findings(CYCLIC_DEPENDENCY)


def test_a_library_with_a_service_name_of_its_own_is_no_cycle() -> None:
    assert not cycle(kind=INTERNAL).findings(CYCLIC_DEPENDENCY)


def test_four_thousand_hops_are_one_chain() -> None:
    story = Story()
    above = story.add(0, 0, 8_000, "s0", "GET /", SERVER)
    for place in range(1, 4_000):
        above = story.add(above, place, 8_000 - place, f"s{place}", "GET /", SERVER)
    found = story.findings(DEEP_SYNC_CHAIN)
    assert [finding.severity for finding in found] == [FindingSeverity.CRITICAL]
    assert not story.findings(CYCLIC_DEPENDENCY)
