"""Counters from sums of time steps, as if somebody had scraped them at the end of each step.

A counter counts everything that is stored, from the oldest on, so that `rate` and `increase` over
any window are exact. It is there from the start of its first step (with what it was before, 0 at
first, so that the first increase is seen too) until nothing has happened for `idle`:

    steps     |   |  3|   |   |  1|   |        idle of one step
    samples           0   3   3   3   4   4
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from longpole.analyzer.promql.refusals import TooMuch
from longpole.analyzer.promql.series import Floats, Integers
from longpole.model.timerange import TimeRange

# Years of steps would be gigabytes for one series; a span with a wrong clock must not make them.
MOST_STEPS = 200_000
HOUR_NS = 3_600_000_000_000
_MS = 1_000_000
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepSettings:
    """`step_seconds` divides an hour and is a multiple of 10. A step is shown `delay_seconds`
    after its end, when its traces are settled; later ones are added where their spans ended. A
    counter without news ends after `idle_seconds`."""

    step_seconds: int = 30
    delay_seconds: float = 10.0
    idle_seconds: int = 900

    def __post_init__(self) -> None:
        if self.step_seconds <= 0 or self.step_seconds % 10 or 3600 % self.step_seconds:
            raise ValueError(f"{self.step_seconds} s is no part of an hour and no multiple of 10 s")

    @property
    def step_ns(self) -> int:
        """The length of a step."""
        return self.step_seconds * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Grid:
    """Where samples may lie: at `start_ns + step_ns * j` for `first <= j <= last`. Steps are read
    from `start_ns` on, so that what happened before the first sample is known to be idle."""

    start_ns: int
    step_ns: int
    first: int
    last: int
    idle: int

    @property
    def hours(self) -> TimeRange:
        """Whole hours before the steps."""
        return TimeRange(0, self.start_ns - self.start_ns % HOUR_NS)

    @property
    def rest(self) -> TimeRange:
        """From those hours to the steps."""
        return TimeRange(self.hours.end_unix_nano, self.start_ns)

    @property
    def steps(self) -> TimeRange:
        """The steps that are read one by one."""
        return TimeRange(self.start_ns, self.start_ns + self.last * self.step_ns)

    @property
    def heard(self) -> TimeRange:
        """The steps of which a sample from `first` on still knows: a counter that has news in them
        is there, and no other."""
        begin = max(0, self.first - self.idle - 1)
        return TimeRange(self.start_ns + begin * self.step_ns, self.steps.end_unix_nano)

    @property
    def times_ms(self) -> Integers:
        """The times of all places from 0 to `last`."""
        return (self.start_ns + np.arange(self.last + 1, dtype=np.int64) * self.step_ns) // _MS


def grid_of(
    after_ms: int, through_ms: int, now_unix_nano: int, settings: StepSettings
) -> Grid | None:
    """The grid for samples in (after_ms, through_ms]; None when no step of it is finished. Raises
    `TooMuch`."""
    step = settings.step_ns
    finished = now_unix_nano - round(settings.delay_seconds * 1e9)
    end = min(through_ms * _MS, finished) // step * step
    begin = (max(after_ms, 0) * _MS // step + 1) * step
    if begin > end:
        return None
    idle = settings.idle_seconds // settings.step_seconds
    start = max(0, begin - (idle + 2) * step)
    if (end - start) // step > MOST_STEPS:
        raise TooMuch(
            f"series of spans are made for {MOST_STEPS:,} steps of {settings.step_seconds} s at"
            " most. Ask for a shorter time"
        )
    return Grid(start, step, (begin - start) // step, (end - start) // step, idle)


@dataclass(frozen=True, slots=True)
class Counted:
    """Sums of keys: `base` (one row a key) before the steps, and `added` (one row each) in the
    step `index` of the key `group`, by key and step."""

    keys: Sequence[Key]
    base: Floats
    group: NDArray[np.int64]
    index: Integers
    added: Floats


def counted(
    before: Sequence[pa.Table], steps: pa.Table, names: Sequence[str], grid: Grid,
    measures: Callable[[pa.Table], Floats],
) -> Counted:  # fmt: skip
    """From tables with the columns `names` (texts, or numbers that become texts) and
    `step_unix_nano`; `measures` gives a row of numbers for each row."""
    tables = [*before, steps]
    codes, keys = _codes(pa.concat_tables([table.select(names) for table in tables]))
    numbers = np.concatenate([measures(table) for table in tables])
    split = sum(table.num_rows for table in before)
    base = np.zeros((len(keys), numbers.shape[1]))
    np.add.at(base, codes[:split], numbers[:split])
    at = (steps.column("step_unix_nano").to_numpy() - grid.start_ns) // grid.step_ns
    group = codes[split:]
    order = np.lexsort((at, group))
    return Counted(keys, base, group[order], at[order], numbers[split:][order])


def _codes(table: pa.Table) -> tuple[NDArray[np.int64], list[Key]]:
    """A number for each row, the same for equal ones, and what each number stands for."""
    mixed = np.zeros(table.num_rows, np.int64)
    for name in table.column_names:
        encoded = table.column(name).combine_chunks().dictionary_encode()
        column = encoded.indices.to_numpy().astype(np.int64)
        mixed = mixed * (len(encoded.dictionary) + 1) + column
        # Numbers stay as small as there are different rows.
        _, mixed = np.unique(mixed, return_inverse=True)
    _, firsts = np.unique(mixed, return_index=True)
    rows = table.take(pa.array(firsts)).to_pydict()
    return mixed, list(zip(*([str(v) for v in rows[n]] for n in table.column_names), strict=True))


def keys_of(rows: pa.Table, names: Sequence[str]) -> list[Key]:
    """The different keys in rows, in order, as in `counted`."""
    told = rows.select(names).to_pydict()
    return sorted(set(zip(*([str(v) for v in told[name]] for name in names), strict=True)))


def merged_keys(found: Counted, key_of: Callable[[Key], Key]) -> Counted:
    """The same with keys replaced; those that become equal are added up."""
    replaced = [key_of(key) for key in found.keys]
    places: dict[Key, int] = {}
    to = np.array([places.setdefault(key, len(places)) for key in replaced], np.int64)
    base = np.zeros((len(places), found.base.shape[1]))
    if len(to):
        np.add.at(base, to, found.base)
    width = int(found.index.max()) + 1 if len(found.index) else 1
    cells, inverse = np.unique(
        (to[found.group] if len(to) else found.group) * width + found.index, return_inverse=True
    )
    added = np.zeros((len(cells), found.base.shape[1]))
    np.add.at(added, inverse, found.added)
    return Counted(list(places), base, cells // width, cells % width, added)


def samples_by_key(
    found: Counted, grid: Grid, wanted: Callable[[Key], bool]
) -> Iterator[tuple[Key, Integers, Floats]]:
    """For each wanted key that has samples: their times, and a row of numbers for each."""
    times = grid.times_ms
    ends = np.searchsorted(found.group, np.arange(len(found.keys) + 1))
    for place, key in enumerate(found.keys):
        held = slice(int(ends[place]), int(ends[place + 1]))
        if held.start == held.stop or not wanted(key):
            continue
        index = found.index[held]
        # Rows are running sums at the end of the step before each place.
        sums = np.zeros((grid.last + 1, found.base.shape[1]))
        sums[index + 1] = found.added[held]
        np.cumsum(sums, axis=0, out=sums)
        sums += found.base[place]
        edges = np.zeros(grid.last + 2, np.int64)
        np.add.at(edges, index, 1)
        np.add.at(edges, np.minimum(index + grid.idle + 2, grid.last + 1), -1)
        is_there = np.cumsum(edges)[: grid.last + 1] > 0
        is_there[: grid.first] = False
        if is_there.any():
            yield key, times[is_there], sums[is_there]
