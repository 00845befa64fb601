"""One process of a run: makes requests, sends them over its connections, keeps count."""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from multiprocessing.connection import Connection

from longpole.cli.loadgen.batches import Batches
from longpole.cli.loadgen.plan import Plan
from longpole.cli.loadgen.senders import Answer, Sender, sender
from longpole.model.clock import Clock, SystemClock

_NS = 1_000_000_000


@dataclass(slots=True)
class Tally:
    """What became of the requests of a process. `acknowledged` are their numbers in order of
    answers, `acknowledged_at` seconds from the start of the run. `unknown` ones were never
    answered: they may be stored or not."""

    acknowledged: list[int] = field(default_factory=list)
    acknowledged_at: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    sent_bytes: int = 0
    rejected_records: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    dropped: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    late_seconds: float = 0.0
    cpu_seconds: float = 0.0


def work(plan: Plan, worker: int, pipe: Connection) -> None:
    """The main function of the process: says "ready", waits for the time to start at, sends,
    and hands back its `Tally`."""
    batches = Batches(plan, worker)
    pipe.send("ready")
    begin = pipe.recv()
    asyncio.run(_run(plan, worker, batches, begin, SystemClock(), pipe))


async def _run(
    plan: Plan, worker: int, batches: Batches, begin: float, clock: Clock, pipe: Connection
) -> None:
    tally = Tally()
    numbers: Iterator[int] = count(worker, plan.workers)
    if plan.most_requests:
        numbers = islice(numbers, plan.most_requests)
    own = plan.connections // plan.workers + (worker < plan.connections % plan.workers)
    await asyncio.sleep(max(0.0, begin - _seconds(clock)))
    before = _cpu_seconds()
    schedule = _schedule(plan, begin)
    senders = [sender(plan) for _ in range(own)]
    await asyncio.gather(
        *(
            _connection(plan, one, batches, numbers, schedule, begin, clock, tally)
            for one in senders
        )
    )
    tally.cpu_seconds = _cpu_seconds() - before
    pipe.send(tally)
    await asyncio.gather(*(one.close() for one in senders))


def _schedule(plan: Plan, begin: float) -> Iterator[float]:
    """When each request of this process is due, on the monotonic clock; the same for all its
    connections, so that a slow one does not slow the rate."""
    step = plan.batch * plan.workers / plan.rate if plan.rate else 0.0
    for number in count():
        yield begin + number * step


async def _connection(
    plan: Plan, connection: Sender, batches: Batches, numbers: Iterator[int],
    schedule: Iterator[float], begin: float, clock: Clock, tally: Tally,
) -> None:  # fmt: skip
    end = begin + plan.seconds
    while True:
        due = next(schedule)
        if due >= end or _seconds(clock) >= end:
            return
        now = _seconds(clock)
        if due > now:
            await asyncio.sleep(due - now)
        elif plan.rate:
            tally.late_seconds = max(tally.late_seconds, now - due)
        number = next(numbers, None)
        if number is None:
            return
        body = batches.request(number, clock.now_unix_nano())
        await deliver(plan, connection, number, body, begin, clock, tally)


async def deliver(
    plan: Plan, connection: Sender, number: int, body: bytes, begin: float, clock: Clock,
    tally: Tally,
) -> None:  # fmt: skip
    """Send one request until it is taken, as an exporter does: the same bytes again."""
    give_up = begin + plan.seconds + plan.patience_seconds
    is_maybe_stored = False
    while True:
        sent = _seconds(clock)
        answer = await connection.send(body)
        tally.sent_bytes += len(body)
        if answer.is_success:
            done = _seconds(clock)
            tally.acknowledged.append(number)
            tally.acknowledged_at.append(done - begin)
            tally.latencies.append(done - sent)
            tally.rejected_records += answer.rejected
            return
        tally.refusals[_short(answer)] += 1
        is_maybe_stored = is_maybe_stored or not answer.is_answered
        if answer.retry_seconds is None or _seconds(clock) + answer.retry_seconds > give_up:
            (tally.unknown if is_maybe_stored else tally.dropped).append(number)
            return
        await asyncio.sleep(answer.retry_seconds)


def _short(answer: Answer) -> str:
    return answer.reason.split(";")[0][:120]


def _seconds(clock: Clock) -> float:
    """The monotonic clock, which all processes of a machine share."""
    return clock.monotonic_ns() / _NS


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
