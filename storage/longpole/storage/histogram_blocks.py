"""Explicit histograms as columns of numbers: the count, the sum, and how many measurements lie at
or below a bound. Each of them is a block like those of numbers, and all of one histogram share
the arrays that say where its points lie.

    points        bounds [1, 5], counts [2, 3, 4]     bounds [1, 5], counts [2, 4, 4]
    column 1.0    2, 2
    column 5.0    5, 6
    "count"       9, 10
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longpole.model.timerange import TimeRange
from longpole.storage.number_points import (
    Block,
    Floats,
    Integers,
    NumberPoints,
    assembled,
    block_of,
)

# "count", "sum", or the upper bound of a bucket.
HistogramColumn: TypeAlias = str | float
_MS = 1_000_000
SCHEMA = pa.schema(
    [
        pa.field("series_id", pa.uint64()),
        pa.field("time_unix_nano", pa.int64()),
        pa.field("flags", pa.uint32()),
        pa.field("count", pa.float64()),
        pa.field("sum", pa.float64()),
        pa.field("explicit_bounds", pa.list_(pa.float64())),
        pa.field("bucket_counts", pa.list_(pa.float64())),
    ]
)


@dataclass(frozen=True, slots=True)
class HistogramBlocks:
    """A block for each column that any point has."""

    blocks: Mapping[HistogramColumn, Block]

    @property
    def byte_count(self) -> int:
        """About what it holds; arrays that several blocks share count once."""
        arrays = {
            id(array): array.nbytes
            for block in self.blocks.values()
            for array in (block.ids, block.starts, block.values, block.run_of, *block.runs)
        }
        return sum(arrays.values())


def histogram_points(
    found: Sequence[HistogramBlocks], series_ids: Sequence[int], time: TimeRange,
    columns: Sequence[HistogramColumn], most: int,
) -> Sequence[NumberPoints]:  # fmt: skip
    """The answer of `MetricReader.histogram_points`, from blocks in the order of their arrival."""
    points: list[NumberPoints] = []
    for column in columns:
        blocks = [one.blocks[column] for one in found if column in one.blocks]
        points.append(assembled(blocks, series_ids, time, most))
        most -= points[-1].count
        if most < 0:
            return ()
    return points


def histogram_blocks(rows: pa.Table) -> HistogramBlocks:
    """The columns of points (of `SCHEMA`, without bounds and counts if only count and sum are
    wanted) in the order of their arrival."""
    rows = _in_order(rows.combine_chunks())
    ids, times, flags, counts = (
        np.asarray(rows.column(name).to_numpy())
        for name in ("series_id", "time_unix_nano", "flags", "count")
    )

    def made(values: Floats, places: Integers) -> Block:
        return block_of(ids[places], times[places], values, flags[places])

    blocks: dict[HistogramColumn, Block] = {"count": block_of(ids, times, counts, flags)}
    # Histograms of what may be negative have no sum.
    has_sum = np.asarray(rows.column("sum").is_valid(), bool)
    sums = np.asarray(rows.column("sum").to_numpy())
    if bool(has_sum.all()):
        blocks["sum"] = replace(blocks["count"], values=sums)
    elif bool(has_sum.any()):
        blocks["sum"] = made(sums[has_sum], np.flatnonzero(has_sum))
    if "bucket_counts" not in rows.column_names:
        return HistogramBlocks(blocks)
    held: dict[float, list[tuple[Integers, Floats]]] = {}
    for bounds, places, summed in _by_bounds(rows):
        first = made(summed[:, 0], places)
        for at, bound in enumerate(bounds):
            held.setdefault(bound, []).append((places, summed[:, at]))
            blocks[bound] = replace(first, values=np.ascontiguousarray(summed[:, at]))
    for bound, several in held.items():
        if len(several) > 1:
            places = np.concatenate([part for part, _ in several])
            order = np.argsort(places)
            values = np.concatenate([part for _, part in several])
            blocks[bound] = made(values[order], places[order])
    return HistogramBlocks(blocks)


def _in_order(rows: pa.Table) -> pa.Table:
    """By series and millisecond; points of the same one stay in their order."""
    ids = np.asarray(rows.column("series_id").to_numpy())
    times = np.asarray(rows.column("time_unix_nano").to_numpy()) // _MS
    order = np.lexsort((times, ids))
    return rows if bool((order[1:] > order[:-1]).all()) else rows.take(pa.array(order))


def _by_bounds(rows: pa.Table) -> Iterator[tuple[list[float], Integers, Floats]]:
    """Bounds, the places of the points that have them, and their cumulative counts. Points with
    fewer counts than bounds say nothing of these."""
    bounds, counts = (_Lists(rows.column(n)) for n in ("explicit_bounds", "bucket_counts"))
    shapes = np.column_stack((bounds.lengths, counts.lengths))
    usable = np.flatnonzero((shapes[:, 0] > 0) & (shapes[:, 1] >= shapes[:, 0]))
    for shape in np.unique(shapes[usable], axis=0):
        alike = usable[(shapes[usable] == shape).all(axis=1)]
        width, held = int(shape[0]), bounds.matrix(alike)
        summed = np.cumsum(counts.matrix(alike)[:, :width], axis=1)
        if bool((held == held[0]).all()):
            yield held[0].tolist(), alike, summed
            continue
        chosen, which = np.unique(held, axis=0, return_inverse=True)
        for number, one in enumerate(chosen):
            here = np.flatnonzero(which.ravel() == number)
            yield one.tolist(), alike[here], summed[here]


class _Lists:
    """A column of lists of numbers; no list is an empty one."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        array = pc.fill_null(pa.concat_arrays(column.chunks or [pa.array([], column.type)]), [])
        self._offsets = array.offsets.to_numpy().astype(np.int64)
        self._values = array.values.to_numpy(zero_copy_only=False)
        self.lengths: Integers = np.diff(self._offsets)

    def matrix(self, rows: Integers) -> Floats:
        """The lists of rows that are all equally long."""
        length = int(self.lengths[rows[0]])
        first = int(self._offsets[rows[0]])
        if rows.size == int(rows[-1]) - int(rows[0]) + 1 and bool(
            (np.diff(self._offsets[rows]) == length).all()
        ):
            return np.asarray(self._values[first : first + rows.size * length]).reshape(-1, length)
        places = self._offsets[rows][:, None] + np.arange(length)
        return np.asarray(self._values[places])
