"""Loops: the functions of `columnar.retiming`, plain or compiled, behind one signature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from longpole.analyzer.columnar import retiming
from longpole.analyzer.columnar.readiness import CORE, CompiledCore

Ints: TypeAlias = npt.NDArray[np.int64]

# So many visits of a span take the plain loops seconds, and it pays to load the compiled ones.
MANY_VISITS = 4_000_000


@dataclass(frozen=True, slots=True)
class Loops:
    """Arrays in, arrays out. `is_compiled` loops do not hold the GIL; both give the same."""

    is_compiled: bool
    run: Callable[..., None]

    def arrange(
        self, first: Ints, by_start: Ints, by_end: Ints, low: Ints, high: Ints
    ) -> tuple[Ints, Ints, Ints]:
        """`absorb`, `gap` and `tail`."""
        made = _zeros(by_start.size, by_start.size, low.size)
        self.run("arrange", (first, by_start, by_end, low, high), made)
        return made[0], made[1], made[2]

    def chains(
        self,
        first: Ints,
        by_start: Ints,
        by_end: Ints,
        absorb: Ints,
        gap: Ints,
        tail: Ints,
        low: Ints,
        high: Ints,
        is_root: npt.NDArray[np.bool_],
    ) -> tuple[Ints, Ints, Ints]:
        """`place_of` (-1 for roots), `own` and `is_on_path`."""
        made = _zeros(low.size, low.size, low.size)
        made[0][:] = -1
        given = (first, by_start, by_end, absorb, gap, tail, low, high, is_root.astype(np.int64))
        self.run("chains", given, made)
        return made[0], made[1], made[2]

    def retime(self, tasks: tuple[Ints, Ints, Ints], columns: tuple[Ints, ...]) -> Retimed:
        """`tasks` and `columns` (from `offsets` to `is_joined`) are those of `retiming.retime`."""
        count = columns[1].size - 1
        made = _zeros(count, count, count, count, tasks[0].size)  # lengths, …, touched, out
        self.run("retime", (*tasks, *columns), made)
        return Retimed(made[4], made[0])


@dataclass(frozen=True, slots=True)
class Retimed:
    """What a retiming gives: `roots` by task; `lengths` by span, as the last task of each trace
    made them."""

    roots: Ints
    lengths: Ints


def loops_for(visits: int, core: CompiledCore = CORE) -> Loops:
    """The compiled loops if so much work pays for them and they are ready, else the plain ones;
    asking for much starts to make them ready."""
    if visits >= MANY_VISITS:
        core.start()
    return compiled_loops() if core.is_ready else PLAIN


def compiled_loops() -> Loops:
    """The compiled loops; compiles first if `readiness` did not."""
    from longpole.analyzer.columnar.compiled_retiming import COMPILED
    from longpole.analyzer.columnar.loops import compile_all

    compile_all()

    def run(name: str, given: tuple[Ints, ...], made: tuple[Ints, ...]) -> None:
        arrays = (np.ascontiguousarray(values, np.int64) for values in given)
        COMPILED[name](*arrays, *made)

    return Loops(True, run)


def _plain(name: str, given: tuple[Ints, ...], made: tuple[Ints, ...]) -> None:
    lists: list[Any] = [values.tolist() for values in made]
    _LOOPS[name](*(values.tolist() for values in given), *lists)
    for values, filled in zip(made, lists, strict=True):
        values[:] = filled


_LOOPS: dict[str, Callable[..., None]] = {
    "arrange": retiming.arrange,
    "chains": retiming.chains,
    "retime": retiming.retime,
}


def _zeros(*sizes: int) -> tuple[Ints, ...]:
    return tuple(np.zeros(size, np.int64) for size in sizes)


PLAIN = Loops(False, _plain)
