"""What is left when a process is killed: the broker's, or the consumer's with an event in hand."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from shop.chassis.errors import DependencyError
from shop.chassis.http_events import HttpTransport
from shop.chassis.local_events import LocalTransport
from shop.chassis.message_transport import MAX_ATTEMPTS, Transport
from shop.chassis.nats_events import NatsTransport
from shop.chassis.ports import Delivery
from tests.shop.messaging.brokers import ServerProcess, embedded_broker, nats_server, wait_until
from tests.shop.messaging.members import House, Notes, number

LEASE_SECONDS = 0.6
LONG_LEASE_SECONDS = 60.0

_CONSUMER = """
import sys, threading
from pathlib import Path
from shop.chassis.http_events import HttpTransport
from shop.chassis.local_events import LocalTransport
from shop.chassis.messaging import BrokerEvents
from shop.chassis.nats_events import NatsTransport

address, what, lease_seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
if address.startswith("http"):
    transport = HttpTransport(address, lease_seconds=lease_seconds)
elif address.startswith("nats"):
    transport = NatsTransport(address, lease_seconds=lease_seconds)
else:
    transport = LocalTransport(Path(address))
events = BrokerEvents(transport)

def handle(delivery):
    if delivery.event.data["n"] == 1:
        print("in hand", flush=True)
        threading.Event().wait()

if what == "handle":
    events.subscribe("orders", "group", handle)
else:
    events.subscribe("orders", "group", print)
    events.subscribe("nothing", "group", lambda _: print("waiting", flush=True))
events.start()
threading.Event().wait()
"""

Server = Callable[[Path], AbstractContextManager[ServerProcess]]


@pytest.fixture(params=[embedded_broker, nats_server], ids=["embedded", "nats"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerProcess]:
    """A broker of the test's own, to be killed."""
    with request.param(tmp_path) as running:
        yield running


def house_of(server: ServerProcess, lease_seconds: float = LEASE_SECONDS) -> House:
    def open_transport() -> Transport:
        if server.url.startswith("nats"):
            return NatsTransport(server.url, lease_seconds=lease_seconds)
        return HttpTransport(server.url, lease_seconds=lease_seconds)

    return House(open_transport, "")


def consumer(
    address: str, what: str, lease_seconds: float = LEASE_SECONDS
) -> subprocess.Popen[str]:
    """A consumer that has an event in hand, or waits for one."""
    process = subprocess.Popen(
        [sys.executable, "-c", _CONSUMER, address, what, str(lease_seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == ("in hand" if what == "handle" else "waiting")
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait(10.0)
    assert process.stdout is not None
    process.stdout.close()


def test_events_outlive_a_killed_broker_and_are_handled_when_it_is_back(
    server: ServerProcess,
) -> None:
    house, notes = house_of(server), Notes()
    try:
        publisher, member = house.member(), house.member()
        for n in range(20):
            publisher.publish("orders", number(n, "k"))
        server.kill()
        with pytest.raises(DependencyError):
            publisher.publish("orders", number(99, "other"))
        server.start()
        member.subscribe("orders", "group", notes.handle)
        member.start()
        notes.wait_for(20)
        assert notes.numbers("k") == list(range(20))
    finally:
        house.close()


def test_consumers_go_on_after_the_broker_was_killed_under_them(server: ServerProcess) -> None:
    house, notes = house_of(server), Notes()
    try:
        member = house.member()
        member.subscribe("orders", "group", notes.handle)
        member.start()
        for n in range(5):
            member.publish("orders", number(n, "k"))
        notes.wait_for(5)
        server.kill()
        server.start()
        for n in range(5, 10):
            member.publish("orders", number(n, "k"))
        wait_until(lambda: set(notes.numbers()) >= set(range(10)), "the rest is handled")
        # At least once: what was done but not yet acknowledged may have come twice.
        assert sorted(set(notes.numbers())) == list(range(10))
    finally:
        house.close()


@pytest.mark.parametrize("server", [embedded_broker], ids=["embedded"], indirect=True)
def test_what_was_done_while_the_broker_was_away_is_not_done_again(server: ServerProcess) -> None:
    """Of the embedded broker only: a killed nats-server forgets its last acknowledgements."""
    house, notes = house_of(server, LONG_LEASE_SECONDS), Notes()
    restart = threading.Timer(0.3, server.start)

    def handle(delivery: Delivery) -> None:
        if delivery.event.data["n"] == 1:
            server.kill()
            restart.start()
        notes.handle(delivery)

    try:
        member = house.member()
        for n in range(6):
            member.publish("orders", number(n, f"key-{n}"))
        member.subscribe("orders", "group", handle)
        member.start()
        notes.wait_for(6)
        restart.join()
        wait_until(lambda: set(house.seen.points("shop.messaging.lag").values()) == {0}, "no lag")
        assert sorted(notes.numbers()) == list(range(6))
    finally:
        restart.join()
        house.close()


def test_a_message_that_kills_its_consumers_is_set_aside(server: ServerProcess) -> None:
    house, alive, dead = house_of(server), Notes(), Notes()
    if server.url.startswith("nats"):
        deadly: Transport = NatsTransport(server.url, lease_seconds=0.1)
    else:
        deadly = HttpTransport(server.url, lease_seconds=0.1)
    try:
        member = house.member()
        member.publish("orders", number(1, "k"))
        attempts: list[int] = []
        while len(attempts) < MAX_ATTEMPTS:
            # Whoever receives it is never heard of again.
            attempts += [one.attempt for one in deadly.receive("orders", "group", 1)]
        assert attempts == list(range(1, MAX_ATTEMPTS + 1))
        member.subscribe("orders.dead", "undertaker", dead.handle)
        member.subscribe("orders", "group", alive.handle)
        member.start()
        dead.wait_for(1, seconds=4.0)
        assert dead.numbers() == [1]
        assert alive.deliveries == []
    finally:
        deadly.close()
        house.close()


def test_the_event_in_the_hand_of_a_killed_consumer_goes_to_another(
    server: ServerProcess,
) -> None:
    house, notes = house_of(server), Notes()
    try:
        member = house.member()
        for n in range(3):
            member.publish("orders", number(n, "k"))
        kill(consumer(server.url, "handle"))
        member.subscribe("orders", "group", notes.handle)
        member.start()
        wait_until(lambda: set(notes.numbers()) >= {1, 2}, "what was left is handled")
        (again,) = [one for one in notes.handled if one.event.data["n"] == 1]
        assert again.attempt == 2
        assert [n for n in notes.numbers() if n in (1, 2)] == [1, 2]
    finally:
        house.close()


def test_a_killed_consumer_that_was_waiting_takes_nothing_with_it(server: ServerProcess) -> None:
    house, notes = house_of(server, LONG_LEASE_SECONDS), Notes()
    try:
        member = house.member()
        member.publish("nothing", number(0))
        kill(consumer(server.url, "wait", LONG_LEASE_SECONDS))
        for n in range(5):
            member.publish("orders", number(n, f"key-{n}"))
        member.subscribe("orders", "group", notes.handle)
        member.start()
        notes.wait_for(5)
    finally:
        house.close()


def test_a_file_of_local_events_gives_back_what_its_process_had_in_hand(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    house, notes = House(lambda: LocalTransport(path), ""), Notes()
    publisher = house.member()
    for n in range(3):
        publisher.publish("orders", number(n, "k"))
    publisher.stop()
    kill(consumer(str(path), "handle"))
    member = house.member()
    member.subscribe("orders", "group", notes.handle)
    member.start()
    wait_until(lambda: set(notes.numbers()) >= {1, 2}, "what was left is handled")
    house.close()
    assert [one.attempt for one in notes.handled if one.event.data["n"] == 1] == [2]
