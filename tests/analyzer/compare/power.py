"""How often a comparison claims a difference: of equal traffic, and of a planted regression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from longpole.analyzer.compare.noise import changes
from longpole.analyzer.compare.sample import Names, TraceCells, sample_of
from longpole.analyzer.compare.shuffles import SHUFFLES
from tests.analyzer.compare.made_traces import culprits, planted

# Draws so many traces.
Draw = Callable[[int, np.random.Generator], Sequence[TraceCells]]


@dataclass(frozen=True, slots=True)
class Power:
    """Runs in which a difference was claimed: of none, and of a planted one. `named` counts those
    of the latter that name an operation in which it was planted."""

    runs: int
    false_claims: int
    found: int
    named: int


def power(draw: Draw, runs: int, traces: int, share: float, shuffles: int = SHUFFLES) -> Power:
    """Compare two draws of `traces` traces, and again with the regression planted in one."""
    false_claims = found = named = 0
    for run in range(runs):
        rng = np.random.default_rng(run)
        names = Names()
        first, second = draw(traces, rng), draw(traces, rng)
        chosen = culprits(first, rng)
        base, same = sample_of(first, names), sample_of(second, names)
        worse = sample_of(planted(second, share, chosen), names)
        false_claims += bool(changes(base, same, names.operations, rng, shuffles).real)
        real = changes(base, worse, names.operations, rng, shuffles).real
        found += any(change.is_worse for change in real)
        named += any(change.operation in chosen.values() for change in real)
    return Power(runs, false_claims, found, named)
