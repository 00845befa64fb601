"""Line charts of series over time, as values that `parts/chart.html` draws in SVG.

The drawing is a box of 1000 by 100 units that stretches; words stand beside it in HTML. Scripts add
a cursor and choosing a range; the picture is the same without them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from longpole.dashboards import figures
from longpole.dashboards.time_window import Window

WIDTH, HEIGHT = 1000.0, 100.0
_NICE = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what it is called, its class in CSS, and its path."""

    label: str
    tone: str
    path: str
    area: str


@dataclass(frozen=True, slots=True)
class Spot:
    """One step: where it is, what it says, and the trace to open (empty for none)."""

    x: float
    width: float
    says: str
    address: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at `x`."""

    x: float
    says: str


@dataclass(frozen=True, slots=True)
class Chart:
    """`top` is the label of the upper edge; the lower one is 0."""

    title: str
    lines: tuple[Line, ...]
    spots: tuple[Spot, ...]
    marks: tuple[Mark, ...]
    top: str
    begin: str
    end: str
    is_empty: bool


@dataclass(frozen=True, slots=True)
class Series:
    """Numbers by step, None where there is none."""

    label: str
    tone: str
    values: Sequence[float | None]


def chart(
    title: str, window: Window, series: Sequence[Series], words: Callable[[float], str],
    exemplars: Sequence[str | None], marks: Sequence[tuple[int, str]] = (),
) -> Chart:  # fmt: skip
    """A chart of these series; `words` says a value, `exemplars` are trace ids by step, `marks`
    times with what happened then."""
    most = max((v for one in series for v in one.values if v is not None), default=0.0)
    top = nice(most)
    count = max(1, len(window.steps))
    wide = WIDTH / count
    spots = []
    for place, start in enumerate(window.steps):
        held = [(one.label, one.values[place]) for one in series]
        said = ", ".join(f"{label} {words(v)}" for label, v in held if v is not None)
        if not said:
            continue
        trace = exemplars[place] if place < len(exemplars) else None
        address = f"/traces/{trace}" if trace else ""
        spots.append(Spot(place * wide, wide, f"{clock(start)} {said}", address))
    length = max(1, window.length_ns)
    return Chart(
        title,
        tuple(_line(one, wide, top) for one in series),
        tuple(spots),
        tuple(
            Mark((at - window.time.start_unix_nano) * WIDTH / length, says) for at, says in marks
        ),
        words(top) if most else "",
        clock(window.time.start_unix_nano),
        clock(window.time.end_unix_nano),
        not spots,
    )


def nice(most: float) -> float:
    """The next number that reads well, at least `most`; 1 for nothing."""
    if most <= 0:
        return 1.0
    scale = 1.0
    while scale * 10 <= most:
        scale *= 10
    while scale > most:
        scale /= 10
    return next(scale * step for step in _NICE if scale * step >= most * (1 - 1e-12))


def clock(unix_nano: int) -> str:
    """Hours and minutes (UTC), the seconds where they count."""
    text = figures.moment(unix_nano)
    return text[11:16] if text[17:19] == "00" else text[11:19]


def _line(one: Series, wide: float, top: float) -> Line:
    path, area = [], []
    run: list[str] = []
    first = last = 0.0
    for place, value in enumerate([*one.values, None]):
        if value is None:
            if len(run) == 1:
                path.append(f"M{run[0]}h{wide:.1f}")
            elif run:
                drawn = f"M{run[0]}" + "".join(f"L{point}" for point in run[1:])
                path.append(drawn)
                area.append(f"{drawn}L{last:.1f} {HEIGHT:g}L{first:.1f} {HEIGHT:g}Z")
            run = []
            continue
        x = (place + 0.5) * wide
        first, last = (first if run else x), x
        run.append(f"{x:.1f} {HEIGHT - min(1.0, max(0.0, value / top)) * (HEIGHT - 2):.1f}")
    return Line(one.label, one.tone, "".join(path), "".join(area))
