"""The topics in their file: leases, order, dead letters, limits and pruning, on a set clock."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from shop.broker.topic_store import TopicFull, TopicStore
from shop.chassis.message_transport import DEAD_FROM_GROUP, MAX_ATTEMPTS, Lag, Message, Received


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ns = 1_700_000_000_000_000_000

    def __call__(self) -> int:
        return self.now_ns

    def pass_seconds(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> TopicStore:
    opened = TopicStore(None, clock)
    opened.ensure_group("t", "g")
    return opened


def message(n: int, key: str = "") -> Message:
    return Message(f"id-{n}", "Numbered", key, str(n), {"traceparent": "00-1-2-01"})


def take(store: TopicStore, count: int = 10, lease_seconds: float = 30.0) -> list[Received]:
    return store.receive("t", "g", count, lease_seconds)


def bodies(received: list[Received]) -> list[str]:
    return [one.message.body for one in received]


def receipts(received: list[Received]) -> list[str]:
    return [one.receipt for one in received]


def test_a_lease_that_ends_hands_the_message_out_again(store: TopicStore, clock: Clock) -> None:
    store.publish("t", [message(1)])
    (first,) = take(store, lease_seconds=30.0)
    clock.pass_seconds(29.9)
    assert take(store) == []
    assert store.seconds_until_ready("t", "g") == pytest.approx(0.1)
    clock.pass_seconds(0.1)
    (second,) = take(store)
    assert (first.attempt, second.attempt) == (1, 2)


def test_a_receipt_that_has_expired_changes_nothing(store: TopicStore, clock: Clock) -> None:
    store.publish("t", [message(1)])
    (first,) = take(store, lease_seconds=1.0)
    clock.pass_seconds(2.0)
    (second,) = take(store)
    assert store.acknowledge("t", "g", receipts([first])) == 0
    assert store.retry("t", "g", receipts([first]), 0.0) == 0
    assert store.give_back("t", "g", receipts([first])) == 0
    assert store.acknowledge("t", "g", receipts([second])) == 1
    assert store.lags()["t", "g"] == Lag(0, 0, 0.0)


def test_whoever_dies_with_a_message_five_times_has_it_set_aside(
    store: TopicStore, clock: Clock
) -> None:
    store.publish("t", [message(1)])
    for attempt in range(1, MAX_ATTEMPTS + 1):
        (one,) = take(store, lease_seconds=1.0)
        assert one.attempt == attempt
        clock.pass_seconds(1.0)
    assert take(store) == []
    store.ensure_group("t.dead", "undertaker")
    (dead,) = store.receive("t.dead", "undertaker", 10, 30.0)
    assert dead.message.message_id == "id-1"
    assert dead.message.headers[DEAD_FROM_GROUP] == "g"
    assert dead.message.headers["traceparent"] == "00-1-2-01"


def test_two_groups_that_give_up_the_same_message_are_both_remembered(store: TopicStore) -> None:
    store.ensure_group("t", "other")
    store.publish("t", [message(1)])
    for group in ("g", "other"):
        for _ in range(MAX_ATTEMPTS):
            store.retry("t", group, receipts(store.receive("t", group, 1, 30.0)), 0.0)
    assert store.topics()["t.dead"] == 2


def test_a_topic_of_the_dead_has_no_dead_of_its_own(store: TopicStore) -> None:
    store.ensure_group("t.dead", "undertaker")
    store.publish("t.dead", [message(1)])
    for attempt in range(1, MAX_ATTEMPTS + 3):
        (one,) = store.receive("t.dead", "undertaker", 1, 30.0)
        assert one.attempt == attempt
        store.retry("t.dead", "undertaker", receipts([one]), 0.0)
    assert set(store.topics()) == {"t.dead"}


def test_a_key_waits_for_its_failed_message_and_other_keys_do_not(
    store: TopicStore, clock: Clock
) -> None:
    store.publish("t", [message(1, "a"), message(2, "a"), message(3, "b"), message(4)])
    (first,) = take(store, 1)
    store.retry("t", "g", receipts([first]), 5.0)
    assert bodies(take(store)) == ["3", "4"]
    clock.pass_seconds(5.0)
    assert bodies(take(store)) == ["1", "2"]


def test_a_key_in_hand_is_handed_to_nobody_else(store: TopicStore) -> None:
    store.publish("t", [message(1, "a"), message(2, "a"), message(3), message(4)])
    (first,) = take(store, 1)
    assert bodies(take(store)) == ["3", "4"]
    store.acknowledge("t", "g", receipts([first]))
    assert bodies(take(store)) == ["2"]


def test_what_is_given_back_was_not_an_attempt(store: TopicStore) -> None:
    store.publish("t", [message(1)])
    for _ in range(2 * MAX_ATTEMPTS):
        (one,) = take(store)
        assert one.attempt == 1
        store.give_back("t", "g", receipts([one]))


def test_a_full_topic_refuses_and_a_full_topic_of_the_dead_forgets(clock: Clock) -> None:
    store = TopicStore(None, clock, max_topic_messages=3, max_dead_messages=2)
    store.ensure_group("t.dead", "undertaker")
    store.publish("t", [message(n) for n in range(3)])
    with pytest.raises(TopicFull, match="topic t holds 3 messages"):
        store.publish("t", [message(3)])
    store.publish("t.dead", [message(n) for n in range(4)])
    assert store.topics() == {"t": 3, "t.dead": 2}
    assert bodies(store.receive("t.dead", "undertaker", 9, 30.0)) == ["2", "3"]


def test_what_all_groups_finished_is_dropped_when_it_is_old(
    store: TopicStore, clock: Clock
) -> None:
    store.ensure_group("t", "slow")
    store.publish("t", [message(1), message(2)])
    store.publish("nobody-listens", [message(1)])
    store.acknowledge("t", "g", receipts(take(store)))
    store.acknowledge("t", "slow", receipts(store.receive("t", "slow", 1, 30.0)))
    assert store.prune() == 0
    clock.pass_seconds(601.0)
    assert store.prune() == 1
    assert store.topics() == {"t": 1, "nobody-listens": 1}
    assert bodies(store.receive("t", "slow", 9, 30.0)) == ["2"]


def test_a_published_id_is_remembered_per_type(store: TopicStore) -> None:
    other_type = Message("id-1", "Other", "", "2", {})
    assert store.publish("t", [message(1), message(1), other_type]) == 2


def test_a_transaction_that_fails_leaves_nothing_and_spares_the_others(store: TopicStore) -> None:
    with store.transaction():
        store.publish("t", [message(1)])
        with contextlib.suppress(RuntimeError), store.transaction():
            store.publish("t", [message(2)])
            raise RuntimeError
        store.publish("t", [message(3)])
    assert bodies(take(store)) == ["1", "3"]


def test_leases_and_attempts_outlive_the_process(tmp_path: Path, clock: Clock) -> None:
    before = TopicStore(tmp_path / "topics.db", clock)
    before.ensure_group("t", "g")
    before.publish("t", [message(1, "a"), message(2, "a"), message(3)])
    (first, *_) = take(before, 2)
    before.close()
    after = TopicStore(tmp_path / "topics.db", clock)
    assert bodies(take(after)) == ["3"]
    assert after.lags()["t", "g"].in_flight == 3
    assert after.acknowledge("t", "g", receipts([first])) == 1
    clock.pass_seconds(30.0)
    (again, _) = take(after)
    assert (again.message.body, again.attempt) == ("2", 2)
    after.close()


def test_lag_tells_waiting_from_in_hand_and_how_old_the_oldest_is(
    store: TopicStore, clock: Clock
) -> None:
    store.publish("t", [message(1)])
    clock.pass_seconds(4.0)
    store.publish("t", [message(2), message(3)])
    (first,) = take(store, 1, lease_seconds=3.0)
    assert store.lags() == {("t", "g"): Lag(2, 1, 4.0)}
    clock.pass_seconds(3.0)
    assert store.lags() == {("t", "g"): Lag(3, 0, 7.0)}
    assert first.published_unix_nano == clock.now_ns - 7_000_000_000
