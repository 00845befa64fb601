"""A circle of calls is not to blame for what one operation inside of it does itself."""

from __future__ import annotations

from longpole.analyzer.findings.detect import detect
from longpole.analyzer.verdict import VerdictEntry, verdict_line, verdict_of
from longpole.analyzer.verdict_cause import cause_of
from tests.analyzer.findings.stories import CLIENT, MS, SERVER, Story


def circle(inner_ms: float, wait_ms: float = 0) -> Story:
    """order waits for shipping, which works `wait_ms` and calls back into order, which then works
    `inner_ms` in an operation of its own."""
    story = Story()
    end = 20 + wait_ms + inner_ms
    root = story.add(0, 0, end, "order", "POST /orders", SERVER)
    _, ship = story.call(root, 5, end - 5, "order > shipping", "POST /shipments")
    _, back = story.call(ship, 10 + wait_ms, end - 10, "shipping > order", "GET /orders/{id}")
    story.add(back, 11 + wait_ms, end - 11, "order", "render invoice")
    return story


def judged(story: Story, most: int = 5) -> tuple[VerdictEntry, ...]:
    e = story.explained()
    verdict = verdict_of(e, detect(e), most)
    assert sum(entry.critical_ns for entry in verdict) <= e.duration_ns
    return verdict


def test_own_time_that_keeps_half_of_a_trace_is_named_before_the_circle_around_it() -> None:
    first, second, *_ = judged(circle(inner_ms=300))
    assert (first.service, first.operation) == ("order", "render invoice")
    assert first.detector is None
    assert first.critical_ns == 298 * MS
    assert (second.detector, second.critical_ns) == ("cyclic_dependency", 0)


def test_the_line_says_own_time_first_and_can_be_grouped_by_it() -> None:
    line = verdict_line(judged(circle(inner_ms=300)))
    assert line.startswith("order › render invoice 93 %: own time: ")
    cause = cause_of(line)
    assert cause is not None
    assert cause.key == "own time: order › render invoice"


def test_a_circle_whose_calls_are_quick_stays_the_answer() -> None:
    first, *_ = judged(circle(inner_ms=40, wait_ms=300))
    assert (first.detector, first.service) == ("cyclic_dependency", "shipping")


def test_a_finding_that_explains_the_time_inside_of_a_circle_is_named_before_it() -> None:
    story = circle(inner_ms=600)
    story.add(
        6, 20, 600, "order", "SELECT orders", CLIENT,
        attributes={"db.system.name": "postgresql", "db.query.text": "SELECT 1 FROM orders"},
    )  # fmt: skip
    assert [entry.detector for entry in judged(story)][:2] == ["slow_db_query", "cyclic_dependency"]


def test_a_deep_chain_that_goes_round_names_the_operation_at_its_end() -> None:
    story = Story()
    above = story.add(0, 0, 1000, "s0", "GET /0", SERVER)
    for depth in range(1, 60):
        client = story.add(above, depth, 1000 - depth, f"s{(depth - 1) % 3}", "call", CLIENT)
        above = story.add(client, depth, 1000 - depth, f"s{depth % 3}", f"GET /{depth}", SERVER)
    first, *_ = judged(story)
    assert (first.service, first.operation, first.detector) == ("s2", "GET /59", None)


def test_only_the_first_entry_is_the_same_as_the_first_of_all() -> None:
    for story in (circle(300), circle(40, 300)):
        assert judged(story, most=1) == judged(story)[:1]
