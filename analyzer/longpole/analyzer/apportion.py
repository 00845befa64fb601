"""Whole numbers for exact fractions, so that what adds up still does when it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction


def apportioned(parts: Sequence[Fraction], scale: int = 1) -> list[int]:
    """Each part times `scale` as one of the two integers beside it, so that together they are
    the sum, rounded half to even (largest remainder method; earlier parts win a tie)."""
    scaled = [part * scale for part in parts]
    floors = [part.numerator // part.denominator for part in scaled]
    missing = round(sum(scaled, Fraction(0))) - sum(floors)
    remainders = [part - floor for part, floor in zip(scaled, floors, strict=True)]
    chosen = sorted(range(len(parts)), key=lambda at: (-remainders[at], at))[:missing]
    for at in chosen:
        floors[at] += 1
    return floors
