"""Nearby logs: what a process logged while it held a trace up, even without a trace id.

A record that carries the ids belongs to the trace. One that does not, but comes from the same
process in the same interval, is a coincidence until shown otherwise: it counts when its pattern
comes more often inside the intervals than its rate outside explains, with the number of patterns
looked at taken into account (Bonferroni). Shuffled logs therefore show nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from longpole.analyzer.correlation.log_lines import LogLine
from longpole.analyzer.log_templates import templates_of

MOST_CHANCE = 0.01


@dataclass(frozen=True, slots=True)
class NearbyPattern:
    """A pattern that keeps to some intervals. `expected` is how many of its records they would
    hold by its rate outside; `chance` how probable `inside` or more would be then."""

    template: str
    severity: int
    inside: int
    outside: int
    expected: float
    chance: float
    example: LogLine


def nearby_patterns(
    lines: Sequence[LogLine],
    intervals: Sequence[tuple[int, int]],
    observed: tuple[int, int],
    most_chance: float = MOST_CHANCE,
) -> list[NearbyPattern]:
    """Patterns of `lines` (of one process, within `observed`) that keep to the intervals, least
    chance first. Intervals are half-open, ascending, and do not overlap; `observed` holds them
    with enough around them to know what is usual. The order of lines does not matter.
    """
    inside_ns = sum(end - start for start, end in intervals)
    outside_ns = observed[1] - observed[0] - inside_ns
    if inside_ns <= 0 or outside_ns <= 0 or not lines:
        return []
    starts = [start for start, _ in intervals]
    held: dict[str, list[LogLine]] = {}
    outside: dict[str, int] = {}
    for line, template in zip(lines, templates_of([one.body for one in lines]), strict=True):
        place = bisect_right(starts, line.time_unix_nano) - 1
        if place >= 0 and line.time_unix_nano < intervals[place][1]:
            held.setdefault(template, []).append(line)
        else:
            outside[template] = outside.get(template, 0) + 1
    limit = most_chance / max(1, len(held.keys() | outside.keys()))
    found = []
    for template, records in held.items():
        out = outside.get(template, 0)
        # One more than was seen: what never came outside might have.
        expected = (out + 1) * inside_ns / outside_ns
        chance = at_least(len(records), expected)
        if chance > limit:
            continue
        example = min(records, key=lambda one: (one.time_unix_nano, one.body))
        severity = max(one.severity for one in records)
        found.append(
            NearbyPattern(template, severity, len(records), out, expected, chance, example)
        )
    return sorted(found, key=lambda one: (one.chance, -one.severity, one.template))


def at_least(count: int, expected: float) -> float:
    """The probability of at least `count` events of a Poisson process that has `expected`."""
    if count <= 0:
        return 1.0
    if expected > 700:
        return 1.0 if count <= expected else 0.0
    term = below = exp(-expected)
    for number in range(1, count):
        term *= expected / number
        below += term
        if term < 1e-18 and number > expected:
            break
    return max(0.0, 1.0 - below)


def merged(intervals: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same stretches ascending, those that overlap or touch as one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if end <= start:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined
