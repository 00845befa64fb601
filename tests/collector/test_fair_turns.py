"""Who sends too much waits for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from google.protobuf.json_format import MessageToJson

from longpole.collector.fair_turns import FairTurns
from longpole.collector.refusals import BUSY, Refused
from longpole.formats.sender_name import sender_name
from longpole.model.signals import Signal
from tests.collector import messages

KIB = 1 << 10


def name(sender: str) -> Callable[[], str]:
    return lambda: sender


async def order_of_turns(turns: FairTurns, requests: list[tuple[str, int]]) -> list[str]:
    """Who gets a turn after whom, when all ask at once and each is done before the next."""
    served: list[str] = []

    async def one(sender: str, amount: int) -> None:
        async with turns.turn(amount, name(sender)):
            served.append(sender)
            await asyncio.sleep(0)

    await asyncio.gather(*(one(sender, amount) for sender, amount in requests))
    return served


def test_one_request_of_a_quiet_service_passes_a_hundred_of_a_loud_one() -> None:
    requests = [("loud", 600 * KIB)] * 100 + [("quiet", 600 * KIB)]
    served = asyncio.run(order_of_turns(FairTurns(1000 * KIB, 30.0), requests))
    assert len(served) == 101
    assert served.index("quiet") <= 3


def test_turns_are_by_bytes_not_by_requests() -> None:
    requests = [("large", 1024 * KIB)] * 20 + [("small", 64 * KIB)] * 160
    served = asyncio.run(order_of_turns(FairTurns(1024 * KIB, 30.0), requests))
    first = served[:85]
    assert 4 <= first.count("large") <= 8


def test_what_is_larger_than_everything_passes_alone() -> None:
    turns = FairTurns(10, 30.0)
    assert asyncio.run(order_of_turns(turns, [("a", 100), ("b", 5), ("a", 100)]))
    assert turns.used == 0


def test_while_there_is_room_nobody_is_asked_for_a_name() -> None:
    async def pass_through() -> None:
        def nobody() -> str:
            raise AssertionError("not to be asked")

        async with FairTurns(10, 1.0).turn(10, nobody):
            pass

    asyncio.run(pass_through())


def test_too_long_a_wait_is_refused_and_leaves_nothing_behind() -> None:
    async def crowded() -> FairTurns:
        turns = FairTurns(10, 0.01)
        async with turns.turn(10, name("a")):
            with pytest.raises(Refused) as raised:
                async with turns.turn(1, name("b")):
                    raise AssertionError("there is no room")
            assert raised.value.refusal is BUSY
            waiting = asyncio.ensure_future(turns._wait(1, "c"))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        return turns

    turns = asyncio.run(crowded())
    assert (turns.used, len(turns._queues)) == (0, 0)


@pytest.mark.parametrize("signal", list(Signal))
def test_the_name_of_a_sender_is_its_first_service(signal: Signal) -> None:
    message = messages.any_request(signal)
    resource = getattr(message, f"resource_{'spans' if signal is Signal.TRACES else signal.value}")
    attributes = resource[0].resource.attributes
    del attributes[:]
    attributes.add(key="host.name").value.string_value = "node"
    attributes.add(key="service.name").value.string_value = "cart"
    assert sender_name(message.SerializeToString(), False) == "cart"
    assert sender_name(MessageToJson(message, indent=None).encode(), True) == "cart"


@pytest.mark.parametrize(
    "body", [b"", b"\x0a", b"\x0a\xff", b"\xff" * 40, b"{}", b"\x0a\x02\x0a\x00"]
)
def test_a_sender_without_a_name_has_none(body: bytes) -> None:
    assert sender_name(body, False) == ""
    assert sender_name(body, True) == ""
