"""The latency heat map: how many runs took how long when, each cell a link to their traces.

Rows are the buckets of RED histograms, slowest on top; neighbouring steps share a column when there
are more of them than a reader can tell apart. Darkness goes by the logarithm of the count, so that
the few slow runs stay visible beside the many quick ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

from longpole.dashboards import figures
from longpole.dashboards.charts import clock
from longpole.dashboards.links import between, traces_address
from longpole.dashboards.time_window import Window
from longpole.model.timerange import TimeRange

MOST_COLUMNS = 48
TONES = 6
CELL_WIDTH, CELL_HEIGHT = 20, 14


@dataclass(frozen=True, slots=True)
class Cell:
    """`tone` is 1 to `TONES`."""

    x: int
    y: int
    tone: int
    says: str
    address: str


@dataclass(frozen=True, slots=True)
class HeatMap:
    """`labels` are the upper ends of the rows, from the top."""

    cells: tuple[Cell, ...]
    labels: tuple[str, ...]
    width: int
    height: int
    begin: str
    end: str


def heat_map(
    heat: Mapping[str, Any], window: Window, service: str, operation: str | None = None
) -> HeatMap:
    """The map of a `heat` document."""
    bounds: Sequence[int] = heat["bounds_ns"]
    by_step: Sequence[Sequence[int]] = heat["counts"]
    together = -(-len(by_step) // MOST_COLUMNS) or 1
    columns = [
        [sum(counts) for counts in zip(*by_step[at : at + together], strict=True)]
        for at in range(0, len(by_step), together)
    ]
    used = [place for place in range(len(bounds) + 1) if any(c[place] for c in columns)]
    rows = list(range(used[-1], used[0] - 1, -1)) if used else []
    most = max((count for counts in columns for count in counts), default=0)
    cells = []
    for place, counts in enumerate(columns):
        start = window.time.start_unix_nano + place * together * window.step_ns
        end = min(start + together * window.step_ns, window.time.end_unix_nano)
        for line, bucket in enumerate(rows):
            if not counts[bucket]:
                continue
            low = bounds[bucket - 1] if bucket else None
            high = bounds[bucket] if bucket < len(bounds) else None
            # Spans count when they end and are found by when they start.
            time = TimeRange(start - (high or 60 * 10**9), end)
            cells.append(
                Cell(
                    place * CELL_WIDTH,
                    line * CELL_HEIGHT,
                    tone_of(counts[bucket], most),
                    f"{clock(start)} {_range(low, high)}: {figures.plural(counts[bucket], 'run')}",
                    traces_address(between(time), service, operation, from_ns=low, to_ns=high),
                )
            )
    return HeatMap(
        tuple(cells),
        tuple(f"> {figures.duration(bounds[-1])}" if b == len(bounds) else
              figures.duration(bounds[b]) for b in rows),
        max(1, len(columns)) * CELL_WIDTH,
        len(rows) * CELL_HEIGHT,
        clock(window.time.start_unix_nano),
        clock(window.time.end_unix_nano),
    )  # fmt: skip


def tone_of(count: int, most: int) -> int:
    """1 for the least, `TONES` for the most."""
    if most <= 1:
        return TONES
    return 1 + round((TONES - 1) * log(count) / log(most))


def _range(low: int | None, high: int | None) -> str:
    if low is None:
        return f"up to {figures.duration(high or 0)}"
    if high is None:
        return f"over {figures.duration(low)}"
    return f"{figures.duration(low)} to {figures.duration(high)}"
