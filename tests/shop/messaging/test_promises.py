"""What every broker promises through `Events`, in the process, embedded, or NATS."""

from __future__ import annotations

import threading
import time

import pytest

from shop.chassis.errors import DependencyError, Invalid
from shop.chassis.message_transport import MAX_ATTEMPTS, MAX_BODY_BYTES, Message
from shop.chassis.nats_feed import partition_of
from shop.chassis.ports import Delivery, Event
from tests.shop.messaging.brokers import wait_until
from tests.shop.messaging.members import FIRST_PAUSE_SECONDS, House, Notes, number


def test_an_event_reaches_every_group_as_it_was_published(house: House, topic: str) -> None:
    member, one, other = house.member(), Notes(), Notes()
    member.subscribe(topic, "one", one.handle)
    member.subscribe(topic, "other", other.handle)
    member.start()
    before = time.time_ns()
    event = Event("Köszönöm", "ключ 1", {"text": "żółć\n\"'", "list": [1, None]}, "event-1")
    member.publish(topic, event)
    for notes, group in ((one, "one"), (other, "other")):
        notes.wait_for(1)
        (delivery,) = notes.deliveries
        assert delivery.event == event
        assert (delivery.topic, delivery.group, delivery.attempt) == (topic, group, 1)
        assert before - 1e9 < delivery.published_unix_nano < time.time_ns() + 1e9


def test_a_group_that_comes_late_gets_what_was_there_before(house: House, topic: str) -> None:
    member, notes = house.member(), Notes()
    member.start()
    for n in range(5):
        member.publish(topic, number(n, "k"))
    member.subscribe(topic, "late", notes.handle)
    notes.wait_for(5)
    assert notes.numbers() == [0, 1, 2, 3, 4]


def test_members_of_a_group_share_its_events(shared_house: House, topic: str) -> None:
    notes = [Notes(), Notes()]
    members = [shared_house.member(), shared_house.member()]
    for member, mine in zip(members, notes, strict=True):

        def slowly(delivery: Delivery, mine: Notes = mine) -> None:
            time.sleep(0.02)
            mine.handle(delivery)

        member.subscribe(topic, "group", slowly)
        member.start()
    for n in range(40):
        members[0].publish(topic, number(n, f"key-{n}"))
    wait_until(lambda: sum(len(mine.handled) for mine in notes) >= 40, "all are handled")
    assert sorted(notes[0].numbers() + notes[1].numbers()) == list(range(40))
    assert min(len(mine.handled) for mine in notes) >= 5


def test_an_event_that_failed_comes_again_after_a_pause(house: House, topic: str) -> None:
    member = house.member()
    notes = Notes(fails=lambda delivery: delivery.attempt < 3)
    member.subscribe(topic, "group", notes.handle)
    member.start()
    begun = time.monotonic()
    member.publish(topic, number(1))
    notes.wait_for(1)
    assert [one.attempt for one in notes.deliveries] == [1, 2, 3]
    # The second pause is twice the first; half of each is chance.
    assert time.monotonic() - begun >= 1.5 * FIRST_PAUSE_SECONDS


def test_a_poisoned_event_is_set_aside_and_holds_nobody_up(house: House, topic: str) -> None:
    member, dead = house.member(), Notes()
    notes = Notes(fails=lambda delivery: delivery.event.data["n"] == 0)
    member.subscribe(topic, "group", notes.handle)
    member.subscribe(f"{topic}.dead", "undertaker", dead.handle)
    member.start()
    poison = Event("Numbered", keys_apart(1)[0], {"n": 0}, "poison")
    member.publish(topic, poison)
    for n, key in enumerate(keys_apart(4)[1:], start=1):
        member.publish(topic, number(n, key))
    notes.wait_for(3)
    assert len([one for one in notes.deliveries if one.event.key == poison.key]) < MAX_ATTEMPTS
    dead.wait_for(1)
    assert dead.deliveries[0].event == poison
    attempts = [one.attempt for one in notes.deliveries if one.event.key == poison.key]
    assert attempts == list(range(1, MAX_ATTEMPTS + 1))
    after = number(4, poison.key)
    member.publish(topic, after)
    notes.wait_for(4)


def test_a_key_keeps_its_order_when_one_of_its_events_fails(
    shared_house: House, topic: str
) -> None:
    notes = Notes(fails=lambda one: one.event.data["n"] in (3, 7) and one.attempt < 3)
    members = [shared_house.member(), shared_house.member()]
    for member in members:
        member.subscribe(topic, "group", notes.handle)
        member.start()
    for n in range(12):
        for key in ("a", "b", "c"):
            members[n % 2].publish(topic, number(n, key))
    notes.wait_for(36)
    for key in ("a", "b", "c"):
        assert notes.numbers(key) == list(range(12)), key


def test_events_of_other_types_are_done_with_unseen(house: House, topic: str) -> None:
    member, notes = house.member(), Notes()
    member.subscribe(topic, "group", notes.handle, types=("Wanted",))
    member.start()
    for n in range(4):
        member.publish(topic, number(n, type_="Wanted" if n % 2 else "Other"))
    notes.wait_for(2)
    assert sorted(notes.numbers()) == [1, 3]
    wait_until(lambda: lag_of(house, topic) == 0, "nothing is left")
    assert len(house.seen.spans(f"process {topic}")) == 2


def test_a_batch_that_failed_comes_again_one_by_one(house: House, topic: str) -> None:
    member = house.member()
    notes = Notes(fails=lambda one: one.event.data["n"] == 2)
    dead = Notes()
    for n, key in enumerate(keys_apart(4)):
        member.publish(topic, number(n, key))
    member.subscribe_batches(topic, "group", notes.handle_batch, max_events=10)
    member.subscribe(f"{topic}.dead", "undertaker", dead.handle)
    member.start()
    dead.wait_for(1)
    assert max(len(batch) for batch in notes.batches) > 1
    assert set(notes.numbers()) == {0, 1, 3}
    assert dead.numbers() == [2]


def test_the_same_event_id_counts_once(house: House, topic: str) -> None:
    member, notes = house.member(), Notes()
    member.subscribe(topic, "group", notes.handle)
    member.start()
    for _ in range(3):
        member.publish(topic, Event("Numbered", "k", {"n": 1}, "same"))
    member.publish(topic, number(2, "k"))
    notes.wait_for(2)
    assert notes.numbers() == [1, 2]


def test_an_event_that_is_too_large_is_refused(house: House, topic: str) -> None:
    member = house.member()
    with pytest.raises(DependencyError, match=str(MAX_BODY_BYTES)) as refusal:
        member.publish(topic, Event("Large", "k", {"x": "x" * MAX_BODY_BYTES}))
    assert type(refusal.value) is DependencyError
    (span,) = house.seen.spans(f"send {topic}")
    assert not span.status.is_ok
    assert (span.attributes or {})["error.type"] == "DependencyError"


@pytest.mark.parametrize("name", ["", "Orders", "a b", "a.b", "x" * 65, "../x"])
def test_a_name_that_is_none_is_refused(house: House, name: str) -> None:
    member = house.member()
    with pytest.raises(Invalid):
        member.publish(name, number(1))
    with pytest.raises(Invalid):
        member.subscribe(name, "group", lambda _: None)
    for group in (name, "a.dead"):
        with pytest.raises(Invalid):
            member.subscribe("topic", group, lambda _: None)


def test_a_group_listens_to_a_topic_once(house: House, topic: str) -> None:
    member = house.member()
    member.subscribe(topic, "group", lambda _: None, types=("A",))
    with pytest.raises(Invalid, match="already"):
        member.subscribe(topic, "group", lambda _: None, types=("B",))


def test_stop_finishes_the_event_in_hand_and_gives_the_others_back(
    house: House, topic: str
) -> None:
    first, begun, go_on = house.member(), threading.Event(), threading.Event()
    done = Notes()

    def handle(delivery: Delivery) -> None:
        begun.set()
        assert go_on.wait(10.0)
        done.handle(delivery)

    first.subscribe(topic, "group", handle)
    first.start()
    for n in range(6):
        first.publish(topic, number(n, "one key"))
    assert begun.wait(10.0)
    stopping = threading.Thread(target=first.stop)
    stopping.start()
    go_on.set()
    stopping.join(10.0)
    assert not stopping.is_alive()
    taken = done.numbers()
    assert taken == list(range(len(taken)))
    assert taken

    rest, second = Notes(), house.member()
    second.subscribe(topic, "group", rest.handle)
    second.start()
    rest.wait_for(6 - len(taken), seconds=5.0)
    assert taken + rest.numbers() == list(range(6))


def test_nothing_is_published_after_stop(house: House, topic: str) -> None:
    member = house.member()
    member.start()
    member.publish(topic, number(1))
    member.stop()
    with pytest.raises(DependencyError):
        member.publish(topic, number(2))


def test_lag_counts_what_is_not_finished_and_ages(house: House, topic: str) -> None:
    member, go_on, notes = house.member(), threading.Event(), Notes()

    def handle(delivery: Delivery) -> None:
        assert go_on.wait(10.0)
        notes.handle(delivery)

    member.subscribe(topic, "group", handle)
    member.start()
    for n in range(5):
        member.publish(topic, number(n, f"key-{n}"))
    wait_until(lambda: lag_of(house, topic) == 5, "five are behind")
    wait_until(lambda: age_of(house, topic) > 0.5, "the oldest ages")
    go_on.set()
    notes.wait_for(5)
    wait_until(lambda: lag_of(house, topic) == 0, "none is behind")
    assert age_of(house, topic) == 0.0


def keys_apart(count: int) -> list[str]:
    """Keys that share nothing, not even a partition of NATS: a batch has one of each."""
    of_partition: dict[int, str] = {}
    for n in range(100):
        key = f"key-{n}"
        of_partition.setdefault(partition_of(Message("", "", key, "", {})), key)
    return list(of_partition.values())[:count]


def lag_of(house: House, topic: str) -> float:
    return _gauge(house, "shop.messaging.lag", topic)


def age_of(house: House, topic: str) -> float:
    return _gauge(house, "shop.messaging.oldest_age", topic)


def _gauge(house: House, metric: str, topic: str) -> float:
    for labels, value in house.seen.points(metric).items():
        if ("messaging.destination.name", topic) in labels:
            return value
    return -1.0
