"""A store with settled traces, and what a counter over its spans has to say."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from longpole.analyzer.settle import settle_once
from longpole.model.clock import ManualClock
from longpole.model.span import Span
from longpole.storage.memory import MemoryStore
from longpole.storage.ports import SettleFeed
from tests.storage.span_examples import SECOND, span, submit_spans

# 1 h 40 min after an hour, so that hours, the rest before the steps, and steps all count.
START = 1_750_035_600 * SECOND + 6_000 * SECOND
SPREAD = 2_400  # seconds over which traces begin
SERVICES = ("web", "cart", "stock")
OPERATIONS = ("GET /", "POST /buy", "find")


def made_trace(chance: random.Random, number: int) -> list[Span]:
    """A root with some calls below it, inside of its time."""
    begin = START + round(chance.uniform(0, SPREAD) * SECOND)
    length = round(chance.lognormvariate(-1, 1.5) * SECOND) + 1000
    kept = [_span(chance, number, 1, 0, begin, length, 2)]
    for place in range(chance.randrange(5)):
        part = sorted(chance.uniform(0, 1) for _ in range(2))
        inner = begin + round(part[0] * length)
        kept.append(_span(chance, number, place + 2, 1, inner, round((part[1] - part[0]) * length),
                          chance.choice((1, 3))))  # fmt: skip
    return kept


def _span(
    chance: random.Random, trace: int, number: int, parent: int, start: int, length: int, kind: int
) -> Span:
    return span(
        trace, number, parent, service_name=chance.choice(SERVICES),
        name=chance.choice(OPERATIONS), start_unix_nano=start, end_unix_nano=start + length,
        kind=kind, status_code=chance.choice((0, 0, 0, 1, 2)),
    )  # fmt: skip


def settle_all(store: SettleFeed, clock: ManualClock) -> None:
    """Let everything fall quiet and explain it."""
    clock.advance(6)
    while settle_once(store, clock).traces:
        pass


def random_traces(seed: int, count: int) -> list[list[Span]]:
    """Spans by trace."""
    chance = random.Random(seed)
    return [made_trace(chance, number) for number in range(1, count + 1)]


def filled(seed: int = 5, traces: int = 120) -> tuple[MemoryStore, ManualClock, list[Span]]:
    """A store in which some traces were settled, then got late spans and were settled again. Its
    clock stands ten minutes after the last trace began."""
    chance = random.Random(seed)
    clock = ManualClock(START + (SPREAD + 600) * SECOND)
    store = MemoryStore(clock)
    every: list[Span] = []
    late: list[Span] = []
    for number in range(1, traces + 1):
        kept = made_trace(chance, number)
        every += kept
        if len(kept) > 2 and chance.random() < 0.3:
            late.append(kept.pop())
        submit_spans(store, *kept)
    settle_all(store, clock)
    submit_spans(store, *late)
    submit_spans(store, *every[:20])  # sent again
    settle_all(store, clock)
    return store, clock, every


def ended(spans: Sequence[Span], before_ns: int, is_counted: Callable[[Span], bool]) -> list[Span]:
    """The spans that ended before a time."""
    return [one for one in spans if one.end_unix_nano < before_ns and is_counted(one)]
