"""Clocks of two hosts that disagree, and what only looks like it."""

from __future__ import annotations

from longpole.analyzer.findings.clock_skew import CLOCK_SKEW, clock_offsets
from longpole.model.finding import FindingSeverity
from tests.analyzer.findings.stories import CLIENT, CONSUMER, MS, PRODUCER, SERVER, Story


def answered(
    *calls: tuple[float, float, float, float],
    hosts: tuple[str, str] = ("node-a", "node-b"),
    error: str | None = None,
    kinds: tuple[int, int] = (CLIENT, SERVER),
) -> Story:
    """Calls (client start, client end, server start, server end) between two hosts."""
    story = Story()
    root = story.add(0, 0, 1_000, "order", "POST /orders", SERVER, host=hosts[0])
    for client_start, client_end, start, end in calls:
        client = story.add(
            root, client_start, client_end, "order", "POST /stock", kinds[0],
            error=error, host=hosts[0],
        )  # fmt: skip
        story.add(client, start, end, "stock", "POST /stock", kinds[1], host=hosts[1])
    return story


def test_an_answer_that_begins_after_its_call_ended_shows_a_clock_ahead() -> None:
    finding = answered((100, 140, 610, 630)).only(CLOCK_SKEW)
    assert (finding.service, finding.operation) == ("stock", "POST /stock")
    assert finding.severity is FindingSeverity.WARNING
    assert finding.saving_ns == 0
    assert finding.span_ids == (3, 2)
    assert finding.reason == (
        "The clock of node-b (stock) is ahead of that of node-a (order) by 490 ms to 510 ms: "
        "with that, the answer to the call fits into it."
    )


def test_an_answer_that_begins_before_its_call_shows_a_clock_behind() -> None:
    finding = answered((100, 140, 95, 130)).only(CLOCK_SKEW)
    assert finding.severity is FindingSeverity.INFO
    assert "is behind that of node-a (order) by 5 ms to 10 ms" in finding.reason


def test_more_calls_narrow_the_offset_down() -> None:
    story = answered((100, 140, 610, 630), (200, 240, 705, 725))
    assert (
        "by 490 ms to 505 ms: with that, the answers to all 2 calls"
        in story.only(CLOCK_SKEW).reason
    )
    (offset,) = clock_offsets(story.explained()).values()
    assert (offset.low_ns, offset.high_ns) == (-505 * MS, -490 * MS)
    assert offset.least_ns == -490 * MS


def test_calls_that_no_one_offset_explains_are_no_skew() -> None:
    assert not answered((100, 140, 610, 630), (200, 240, 205, 235)).findings(CLOCK_SKEW)


def test_one_host_has_one_clock() -> None:
    assert not answered((100, 140, 610, 630), hosts=("node-a", "node-a")).findings(CLOCK_SKEW)


def test_without_hosts_nothing_is_claimed() -> None:
    assert not answered((100, 140, 610, 630), hosts=("", "")).findings(CLOCK_SKEW)


def test_a_message_taken_later_is_no_skew() -> None:
    story = answered((100, 140, 610, 630), kinds=(PRODUCER, CONSUMER))
    assert not story.findings(CLOCK_SKEW)


def test_a_call_that_gave_up_proves_nothing_by_a_late_answer() -> None:
    assert not answered((100, 140, 150, 160), error="timeout").findings(CLOCK_SKEW)


def test_a_server_that_closes_its_span_late_is_no_skew() -> None:
    assert not answered((100, 140, 130, 160)).findings(CLOCK_SKEW)


def test_a_server_that_works_on_after_its_answer_is_no_skew() -> None:
    assert not answered((100, 140, 141, 300)).findings(CLOCK_SKEW), "longer than its call"


def test_a_millisecond_is_within_tolerance() -> None:
    assert not answered((100, 140, 99, 130)).findings(CLOCK_SKEW)


def test_two_hosts_that_call_each_other_are_told_once() -> None:
    story = answered((100, 140, 610, 630))
    back = story.add(3, 612, 628, "stock", "GET /orders", CLIENT, host="node-b")
    story.add(back, 104, 116, "order", "GET /orders", SERVER, host="node-a")
    assert story.only(CLOCK_SKEW)


def test_an_answer_that_writes_is_named_before_a_longer_one_that_reads() -> None:
    story = Story()
    root = story.add(0, 0, 1_000, "order", "POST /orders", SERVER, host="node-a")
    for method, start, end in (("GET", 100, 160), ("POST", 200, 240)):
        call = story.add(root, start, end, "order", method, CLIENT, host="node-a")
        story.add(
            call, start + 505, end + 495, "stock", f"{method} /stock", SERVER, host="node-b",
            attributes={"http.request.method": method},
        )  # fmt: skip
    assert story.only(CLOCK_SKEW).operation == "POST /stock"


def test_an_answer_that_proves_nothing_is_named_when_it_is_where_none_can_be() -> None:
    story = Story()
    root = story.add(0, 0, 1_000, "order", "POST /orders", SERVER, host="node-a")
    # The server of the second call closes its span after its caller.
    for method, start, end, late in (("GET", 100, 160, -5), ("POST", 200, 240, 9)):
        call = story.add(root, start, end, "order", method, CLIENT, host="node-a")
        story.add(
            call, start + 505, end + 500 + late, "stock", f"{method} /stock", SERVER, host="node-b",
            attributes={"http.request.method": method},
        )  # fmt: skip
    finding = story.only(CLOCK_SKEW)
    assert finding.operation == "POST /stock"
    assert "the answer to the call fits" in finding.reason


def test_all_that_the_wrong_clock_told_is_evidence() -> None:
    story = answered((100, 140, 610, 630))
    query = story.add(3, 612, 620, "stock", "SELECT stock", CLIENT, host="node-b")
    story.add(query, 613, 614, "db", "scan", SERVER, host="node-c")
    assert story.only(CLOCK_SKEW).span_ids == (3, 2, query)
