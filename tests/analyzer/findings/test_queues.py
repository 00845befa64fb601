"""Messages that wait, and messages that fail every time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from longpole.analyzer.explain import explain
from longpole.analyzer.findings.queues import POISON_MESSAGE, QUEUE_LAG
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES, spans_of_whole_traces
from longpole.formats.rows import telemetry_of_spans
from longpole.model.clock import ManualClock
from longpole.model.finding import FindingSeverity
from longpole.model.span import SpanLink
from longpole.model.trace import Trace
from longpole.storage.memory import MemoryStore
from tests.analyzer.findings.stories import CLIENT, CONSUMER, PRODUCER, SERVER, TRACE_ID, Story

QUEUE = {"messaging.system": "kafka", "messaging.destination.name": "orders"}


def sent(*, host: str = "") -> tuple[Story, int]:
    """A request that sends one message by 10 ms."""
    story = Story()
    root = story.add(0, 0, 20, "shop", "POST /orders", SERVER, host=host)
    return story, story.add(
        root, 5, 10, "shop", "send orders", PRODUCER, attributes=QUEUE, host=host
    )


def take(
    story: Story,
    message: int,
    start_ms: float,
    *,
    error: str | None = None,
    service: str = "mailer",
    message_id: str = "",
    host: str = "",
) -> int:
    attributes = QUEUE | ({"messaging.message.id": message_id} if message_id else {})
    return story.add(
        message, start_ms, start_ms + 30, service, "process orders", CONSUMER,
        error=error, attributes=attributes, host=host,
    )  # fmt: skip


def test_a_message_that_waits_more_than_a_second_is_told() -> None:
    story, message = sent()
    take(story, message, 2_510)
    finding = story.only(QUEUE_LAG)
    assert (finding.service, finding.operation) == ("mailer", "process orders")
    assert finding.severity is FindingSeverity.WARNING
    assert finding.saving_ns == 0, "nobody waits for a message"
    assert finding.span_ids == (3, 2)
    assert finding.reason == (
        "A message waits 2.5 s in orders after shop sent it, before mailer › process orders "
        "begins with it: the consumer does not keep up, or was away."
    )


def test_a_message_taken_within_a_second_is_asynchronous_by_design() -> None:
    story, message = sent()
    take(story, message, 900)
    assert not story.findings(QUEUE_LAG)


def test_half_a_minute_is_critical() -> None:
    story, message = sent()
    take(story, message, 30_010)
    assert story.only(QUEUE_LAG).severity is FindingSeverity.CRITICAL


def test_a_later_delivery_waits_for_its_retry_and_not_in_the_queue() -> None:
    story, message = sent()
    take(story, message, 20, error="no template")
    take(story, message, 5_000)
    assert not story.findings(QUEUE_LAG)


def test_every_consumer_waits_for_itself() -> None:
    story, message = sent()
    take(story, message, 20, service="stock")
    take(story, message, 3_000, service="mailer")
    assert story.only(QUEUE_LAG).service == "mailer"


def test_several_late_messages_are_one_finding() -> None:
    story = Story()
    root = story.add(0, 0, 100, "shop", "POST /orders", SERVER)
    for place, lag in enumerate((1_500, 2_500, 3_500)):
        begin = 10 * place
        message = story.add(
            root, begin, begin + 5, "shop", "send orders", PRODUCER, attributes=QUEUE
        )
        take(story, message, begin + 5 + lag)
    assert story.only(QUEUE_LAG).reason.startswith(
        "3 messages wait up to 3.5 s in orders (median 2.5 s) after shop sent it"
    )


def test_a_client_span_of_a_broker_counts_as_sending() -> None:
    story = Story()
    message = story.add(0, 0, 5, "shop", "publish", CLIENT, attributes=QUEUE)
    take(story, message, 2_000)
    assert story.findings(QUEUE_LAG)


def test_a_consumer_behind_a_plain_call_waited_in_no_queue() -> None:
    story = Story()
    call = story.add(0, 0, 5, "shop", "GET /", CLIENT)
    take(story, call, 2_000)
    assert not story.findings(QUEUE_LAG)


def linked_batch(story: Story, messages: tuple[int, ...], start_ms: float) -> Trace:
    """A consumer under the root that took several messages together and links to them."""
    taken = take(story, 1, start_ms)
    links = tuple(SpanLink(TRACE_ID, message) for message in messages)
    elsewhere = (SpanLink(TRACE_ID + 1, messages[0]), SpanLink(TRACE_ID, 999))
    spans = [
        replace(span, links=elsewhere + links) if span.span_id == taken else span
        for span in story.spans
    ]
    return Trace(TRACE_ID, tuple(spans))


def test_a_batch_waits_from_each_message_that_it_links_to() -> None:
    story, first = sent()
    second = story.add(1, 500, 510, "shop", "send orders", PRODUCER, attributes=QUEUE)
    explanation = explain(linked_batch(story, (first, second), 2_010))
    (finding,) = QUEUE_LAG.look(explanation, Thresholds())
    assert finding.reason.startswith("2 messages wait up to 2 s in orders (median 1.5 s)")


def test_links_are_read_from_columns_as_from_objects() -> None:
    story, first = sent()
    trace = linked_batch(story, (first,), 2_010)
    clock = ManualClock()
    store = MemoryStore(clock, settle_after_seconds=0.0, settle_at_most_seconds=0.0)
    store.submit(telemetry_of_spans(trace.spans), clock.now_unix_nano()).result()
    ((_, spans),) = spans_of_whole_traces(store.whole_traces([TRACE_ID], ANALYSIS_ATTRIBUTES))
    store.close()
    from_columns = list(QUEUE_LAG.look(explain(spans), Thresholds()))
    assert from_columns == list(QUEUE_LAG.look(explain(trace), Thresholds()))
    assert len(from_columns) == 1


def with_clock_ahead(ahead_ms: float, *, lag_ms: float) -> Story:
    """The consumer's host answers a call of the producer's host with a clock that is ahead."""
    story, message = sent(host="node-a")
    client = story.add(1, 11, 19, "shop", "GET /stock", CLIENT, host="node-a")
    story.add(client, 12 + ahead_ms, 18 + ahead_ms, "mailer", "GET /stock", SERVER, host="node-b")
    take(story, message, 10 + lag_ms + ahead_ms, host="node-b")
    return story


def test_a_clock_that_is_ahead_is_taken_off_the_lag() -> None:
    assert not with_clock_ahead(2_000, lag_ms=100).findings(QUEUE_LAG)
    finding = with_clock_ahead(2_000, lag_ms=1_500).only(QUEUE_LAG)
    assert "waits 1.5 s" in finding.reason


def test_a_clock_that_is_behind_is_added_to_the_lag() -> None:
    assert "waits 1.7 s" in with_clock_ahead(-300, lag_ms=1_700).only(QUEUE_LAG).reason


def test_a_message_that_fails_three_times_is_poison() -> None:
    story, message = sent()
    for start in (20, 300, 900):
        take(story, message, start, error="no loyalty_points", message_id="m-1")
    finding = story.only(POISON_MESSAGE)
    assert (finding.service, finding.operation) == ("mailer", "process orders")
    assert finding.severity is FindingSeverity.WARNING
    assert finding.span_ids == (3, 4, 5)
    assert finding.reason == (
        "One message of orders (m-1) fails in mailer › process orders at 3 deliveries in a row, "
        "over 910 ms: no loyalty_points."
    )


def test_a_message_without_an_id_is_known_by_who_sent_it() -> None:
    story, message = sent()
    for start in (20, 300, 900):
        take(story, message, start, error="no template")
    assert story.findings(POISON_MESSAGE)


def test_two_failures_are_no_poison_yet() -> None:
    story, message = sent()
    for start in (20, 300):
        take(story, message, start, error="no template")
    take(story, message, 900)
    assert not story.findings(POISON_MESSAGE)


def test_that_it_worked_in_the_end_is_said() -> None:
    story, message = sent()
    for start in (20, 300, 900):
        take(story, message, start, error="no template")
    take(story, message, 2_000)
    assert story.only(POISON_MESSAGE).reason.endswith("The delivery after that worked.")


def test_different_messages_that_fail_once_are_no_poison() -> None:
    story = Story()
    root = story.add(0, 0, 100, "shop", "POST /orders", SERVER)
    for place in range(3):
        message = story.add(root, place, place + 1, "shop", "send orders", PRODUCER)
        take(story, message, 20 + place, error="503", message_id=f"m-{place}")
    assert not story.findings(POISON_MESSAGE)


@pytest.mark.parametrize("queue", ["orders.dlq", "orders-DLT", "orders_error", "orders.dead"])
def test_a_message_sent_to_the_dead_letters_is_poison_at_once(queue: str) -> None:
    story, message = sent()
    taken = take(story, message, 20, error="no template")
    story.add(
        taken, 25, 30, "mailer", f"send {queue}", PRODUCER,
        attributes={**QUEUE, "messaging.destination.name": queue},
    )  # fmt: skip
    reason = story.only(POISON_MESSAGE).reason
    assert reason.endswith("It was moved to a queue of dead letters.")


@pytest.mark.parametrize("queue", ["orders", "deadlines", "errors-by-day", "sudden-death"])
def test_other_queues_are_not_for_the_dead(queue: str) -> None:
    story, message = sent()
    taken = take(story, message, 20, error="no template")
    story.add(
        taken, 25, 30, "mailer", f"send {queue}", PRODUCER,
        attributes={**QUEUE, "messaging.destination.name": queue},
    )  # fmt: skip
    assert not story.findings(POISON_MESSAGE)
