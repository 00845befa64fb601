"""Stacked bars of what a run waits for, step by step: a drawing that `parts/operation_runs.html`
puts into SVG.

    ┌ ┐        ┌ ┐   a bar is the mean of the runs that began in its step, own code at the bottom
    ├ ┤  ┌ ┐   │ │
    ├ ┤  ├ ┤   ├ ┤
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from longpole.dashboards import figures
from longpole.dashboards.charts import HEIGHT, WIDTH, clock, nice
from longpole.dashboards.time_window import Window


@dataclass(frozen=True, slots=True)
class Piece:
    """What the owner at `place` of the document's `owners` holds of a bar."""

    place: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One step with runs. `says` is its time, its runs and the whole."""

    x: float
    width: float
    pieces: tuple[Piece, ...]
    says: str


@dataclass(frozen=True, slots=True)
class OwnerBars:
    """`top` is the label of the upper edge."""

    bars: tuple[Bar, ...]
    top: str
    begin: str
    end: str


def owner_bars(found: Mapping[str, Any], window: Window) -> OwnerBars:
    """The bars of an `operation_runs` document."""
    steps = found["steps"]
    top = nice(max((sum(step["mean_ns"]) for step in steps), default=0))
    # Own code lies at the bottom, where its height is easy to compare.
    order = sorted(
        range(len(found["owners"])), key=lambda at: (not found["owners"][at]["is_own"], at)
    )
    wide = WIDTH / max(1, len(steps))
    bars = []
    for at, (start, step) in enumerate(zip(window.steps, steps, strict=True)):
        if not any(step["mean_ns"]):
            continue
        pieces, y = [], HEIGHT
        for place in order:
            height = step["mean_ns"][place] * (HEIGHT - 2) / top
            if height:
                y -= height
                pieces.append(Piece(place, y, height))
        says = (
            f"{clock(start)} {figures.plural(step['runs'], 'run')}, "
            f"{figures.duration(sum(step['mean_ns']))} each"
        )
        bars.append(Bar(at * wide + wide * 0.08, wide * 0.84, tuple(pieces), says))
    return OwnerBars(
        tuple(bars),
        figures.duration(round(top)) if bars else "",
        clock(window.time.start_unix_nano),
        clock(window.time.end_unix_nano),
    )
