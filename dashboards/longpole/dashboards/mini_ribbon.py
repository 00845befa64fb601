"""The small ribbon of a row: who was on the critical path when, in a few steps.

|web|auth|      cart      |pay|      one slot of equal width is one service: who held most of it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

SLOTS = 60
MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Run:
    """Slots in a row that one service held; `x` and `width` of `SLOTS` units."""

    service: str
    x: int
    width: int


@dataclass(frozen=True, slots=True)
class MiniRibbon:
    """`shares` are those of the services with most time, for whoever cannot see colours."""

    runs: tuple[Run, ...]
    shares: tuple[tuple[str, float], ...]


def mini_ribbon(
    path: Sequence[Mapping[str, Any]], start_unix_nano: int, duration_ns: int
) -> MiniRibbon:
    """The runs of a path with holes: a hole is who held the time before it, and shares are of the
    segments that are there."""
    if not path or duration_ns <= 0:
        return MiniRibbon((), ())
    slots: list[dict[str, int]] = [{} for _ in range(SLOTS)]
    held: dict[str, int] = {}
    for segment in path:
        begin = max(0, segment["start_unix_nano"] - start_unix_nano)
        end = min(duration_ns, segment["end_unix_nano"] - start_unix_nano)
        if end <= begin:
            continue
        name = segment["service"]
        held[name] = held.get(name, 0) + end - begin
        first, last = begin * SLOTS // duration_ns, min(SLOTS - 1, (end - 1) * SLOTS // duration_ns)
        for slot in range(first + 1, last):
            slots[slot][name] = slots[slot].get(name, 0) + duration_ns
        for slot in {first, last}:
            # In parts of a slot, so that nothing is rounded.
            low, high = slot * duration_ns, (slot + 1) * duration_ns
            part = min(end * SLOTS, high) - max(begin * SLOTS, low)
            slots[slot][name] = slots[slot].get(name, 0) + part
    owner: str | None = None
    owners = []
    for holders in slots:
        owner = _most(holders) if holders else owner
        owners.append(owner)
    runs: list[Run] = []
    place = 0
    for service, own in groupby(owners):
        width = len(list(own))
        if service is not None:
            runs.append(Run(service, place, width))
        place += width
    total = sum(held.values())
    ranked = sorted(held.items(), key=lambda item: (-item[1], item[0]))[:MOST_NAMED]
    return MiniRibbon(tuple(runs), tuple((name, time / total) for name, time in ranked))


def _most(holders: Mapping[str, int]) -> str:
    """Who held most of a slot; of equals the last by name."""
    if len(holders) == 1:
        return next(iter(holders))
    return max(holders, key=lambda name: (holders[name], name))
