"""Sparklines: a row of numbers as SVG paths in a box of 100 by 20, the largest at the top."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

WIDTH, HEIGHT = 100.0, 20.0
_TOP = 1.0  # room for half of the stroke


def spark_line(values: Sequence[float | None]) -> str:
    """The line, with a hole wherever there is no number; a lone number is a short dash."""
    return "".join(_stroke(run) for run in _runs(values))


def spark_area(values: Sequence[float | None]) -> str:
    """What is under the line."""
    parts = []
    for run in _runs(values):
        if len(run) > 1:
            parts.append(f"{_stroke(run)}V{HEIGHT:g}H{run[0][0]:.2f}Z")
    return "".join(parts)


def _stroke(run: list[tuple[float, float]]) -> str:
    if len(run) == 1:
        x, y = run[0]
        return f"M{max(0.0, x - 0.5):.2f} {y:.2f}h1"
    first, *others = run
    return f"M{first[0]:.2f} {first[1]:.2f}" + "".join(f"L{x:.2f} {y:.2f}" for x, y in others)


def _runs(values: Sequence[float | None]) -> Iterator[list[tuple[float, float]]]:
    most = max((value for value in values if value is not None), default=0.0)
    wide = WIDTH / max(1, len(values) - 1)
    run: list[tuple[float, float]] = []
    for place, value in enumerate(values):
        if value is None:
            if run:
                yield run
            run = []
            continue
        up = max(0.0, value) / most if most > 0 else 0.0
        run.append((place * wide, HEIGHT - _TOP - up * (HEIGHT - 2 * _TOP)))
    if run:
        yield run
