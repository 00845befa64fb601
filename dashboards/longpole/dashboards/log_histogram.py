"""Log records over time as stacked bars: an SVG of the server, a link for each bar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 1000.0, 60.0
# From the bottom of a bar to its top: what matters most lies on the ground line.
_UPWARDS = ("fatal", "error", "warn", "info", "debug", "trace", "unknown")
_LEAST_HEIGHT = 1.5


@dataclass(frozen=True, slots=True)
class Stack:
    """One step: where it lies, how many records it has, and (level, y, height) of its pieces."""

    start_unix_nano: int
    end_unix_nano: int
    x: float
    width: float
    total: int
    pieces: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True, slots=True)
class Histogram:
    """All steps with records, the tallest count, and totals by level, worst first."""

    stacks: tuple[Stack, ...]
    most: int
    totals: tuple[tuple[str, int], ...]
    start_unix_nano: int = 0  # of the first step
    end_unix_nano: int = 0  # of the last one


def log_histogram(report: Mapping[str, Any]) -> Histogram:
    """The shapes for a document of `log_levels`. Heights are in proportion to the tallest bar; a
    piece that would vanish has at least `_LEAST_HEIGHT`."""
    counts: Mapping[str, list[int]] = report["counts"]
    length = max((len(steps) for steps in counts.values()), default=0)
    sums = [sum(steps[place] for steps in counts.values()) for place in range(length)]
    most = max(sums, default=0)
    width = WIDTH / length if length else WIDTH
    stacks = []
    for place, total in enumerate(sums):
        if not total:
            continue
        pieces, top = [], HEIGHT
        for level in _UPWARDS:
            count = counts[level][place] if level in counts else 0
            if count:
                height = max(_LEAST_HEIGHT, count / most * HEIGHT)
                height = min(height, top)
                top -= height
                pieces.append((level, round(top, 2), round(height, 2)))
        start = report["start_unix_nano"] + place * report["step_ns"]
        stacks.append(
            Stack(start, start + report["step_ns"], round(place * width, 2),
                  round(max(1.0, width * 0.86), 2), total, tuple(pieces))
        )  # fmt: skip
    totals = tuple((level, sum(counts[level])) for level in _UPWARDS if level in counts)
    begin = report["start_unix_nano"]
    return Histogram(tuple(stacks), most, totals, begin, begin + length * report["step_ns"])


def fixed_words(template: str) -> str:
    """The longest stretch of a pattern that no placeholder interrupts."""
    return max((part.strip() for part in template.split("<*>")), key=len, default="")
