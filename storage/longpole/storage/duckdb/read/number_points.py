"""Reads the numbers of series, and those of histograms, as whole columns. A sealed segment never
changes, so its numbers are decoded once and kept in memory, up to a bound, once they are asked for
by many or often."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar, cast

import numpy as np
import pyarrow as pa

from longpole.model.timerange import TimeRange
from longpole.storage.duckdb.read.part import Part, parts_of
from longpole.storage.duckdb.read.stored_rows import arrow
from longpole.storage.duckdb.snapshot import Segment, Snapshot
from longpole.storage.histogram_blocks import (
    SCHEMA,
    HistogramBlocks,
    HistogramColumn,
    histogram_blocks,
    histogram_points,
)
from longpole.storage.number_points import Block, NumberPoints, assembled, block_of

if TYPE_CHECKING:
    import duckdb

_IDS = "longpole_number_ids"
# Who asks for so many series of a segment may as well read all of it.
_MANY = 64
# The third question about a few series of a segment reads all of it.
_OFTEN = 3
# But not many segments at once: that question would take long.
_UPGRADES = 2
# Of a number with its flag; histograms have two, and one for each bucket.
_BYTES_OF_ROW = 9
_BYTES_OF_BUCKETS = "CAST(coalesce(sum(24 + 8 * len(s.bucket_counts)), 0) AS BIGINT)"
_FIXED = "s.series_id, s.time_unix_nano, s.flags"
_NUMBER = f"{_FIXED}, coalesce(s.value_double, CAST(s.value_int AS DOUBLE)) AS value"
_TOTALS = f"{_FIXED}, CAST(s.count AS DOUBLE) AS count, s.sum"
_BUCKETS = f"{_TOTALS}, s.explicit_bounds, CAST(s.bucket_counts AS DOUBLE[]) AS bucket_counts"
_SCHEMA = pa.schema(
    [
        pa.field("series_id", pa.uint64()),
        pa.field("time_unix_nano", pa.int64()),
        pa.field("flags", pa.uint32()),
        pa.field("value", pa.float64()),
    ]
)
_Held: TypeAlias = Block | HistogramBlocks
_B = TypeVar("_B", Block, HistogramBlocks)


@dataclass(frozen=True, slots=True)
class _Kind(Generic[_B]):
    """What is read of points together: which columns of which points, and what is made of them;
    `size` says how many bytes, where rows of a segment differ much."""

    name: str
    columns: str
    condition: str
    schema: pa.Schema
    block: Callable[[pa.Table], _B]
    size: str = ""


def _number_block(rows: pa.Table) -> Block:
    columns = ("series_id", "time_unix_nano", "value", "flags")
    return block_of(*(np.asarray(rows.column(name).to_numpy()) for name in columns))


# Whatever has a count is no number; whatever has a scale is no histogram of bounds.
_IS_HISTOGRAM = "s.count IS NOT NULL AND s.scale IS NULL"
_NUMBERS = _Kind("numbers", _NUMBER, "s.count IS NULL", _SCHEMA, _number_block)
_OF_TOTALS = _Kind("totals", _TOTALS, _IS_HISTOGRAM, pa.schema(list(SCHEMA)[:5]), histogram_blocks)
_OF_BUCKETS = _Kind("buckets", _BUCKETS, _IS_HISTOGRAM, SCHEMA, histogram_blocks, _BYTES_OF_BUCKETS)


class NumberBlocks:
    """The numbers of segments by their kind; the least recently used are forgotten when all have
    more than `most_bytes`. Any thread may use it."""

    def __init__(self, most_bytes: int = 128 << 20) -> None:
        self._most_bytes = most_bytes
        self._held: OrderedDict[tuple[int, str], _Held] = OrderedDict()
        self._asked: OrderedDict[tuple[int, str], int] = OrderedDict()
        self._sizes: OrderedDict[tuple[int, str], int] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def known(self, segment: Segment, kind: _Kind[_B]) -> _B | None:
        """What is kept of a segment."""
        key = segment.segment_id, kind.name
        with self._lock:
            block = self._held.get(key)
            if block is not None:
                self._held.move_to_end(key)
            return cast("_B | None", block)

    def is_worth_it(
        self, segment: Segment, kind: _Kind[_B], is_many: bool, may_upgrade: bool,
        size: Callable[[], int],
    ) -> bool:  # fmt: skip
        """Whether a question should read all of a segment: it asks for many of its series, or for
        a few as others did before. `size` counts its bytes, which takes some time."""
        key = segment.segment_id, kind.name
        with self._lock:
            asked = _put(self._asked, key, self._asked.get(key, 0) + 1)
            known = self._sizes.get(key)
        if not (is_many or (may_upgrade and asked >= _OFTEN)):
            return False
        if known is None:
            known = size()
            with self._lock:
                _put(self._sizes, key, known)
        return known <= self._most_bytes // 2

    def keep(self, segment: Segment, kind: _Kind[_B], block: _B) -> None:
        """Remember all numbers of a kind of a segment."""
        key = segment.segment_id, kind.name
        with self._lock:
            if key not in self._held:
                self._held[key] = block
                self._bytes += block.byte_count
            while self._bytes > self._most_bytes:
                _, gone = self._held.popitem(last=False)
                self._bytes -= gone.byte_count


def _put(held: OrderedDict[tuple[int, str], int], key: tuple[int, str], value: int) -> int:
    held[key] = value
    while len(held) > 10_000:
        held.popitem(last=False)
    return value


def read_number_points(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    series_ids: Sequence[int],
    time: TimeRange,
    most: int,
    kept: NumberBlocks,
) -> NumberPoints:
    """Answer `MetricReader.number_points`."""
    asked = _Asked(connection, series_ids, time, kept)
    return assembled(asked.blocks(snapshot, _NUMBERS, most), series_ids, time, most)


def read_histogram_points(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    series_ids: Sequence[int],
    time: TimeRange,
    columns: Sequence[HistogramColumn],
    most: int,
    kept: NumberBlocks,
) -> Sequence[NumberPoints]:
    """Answer `MetricReader.histogram_points`."""
    are_totals = all(isinstance(column, str) for column in columns)
    kind = _OF_TOTALS if are_totals else _OF_BUCKETS
    asked = _Asked(connection, series_ids, time, kept)
    blocks = asked.blocks(snapshot, kind, most)
    return histogram_points(blocks, series_ids, time, columns, most)


@dataclass(frozen=True, slots=True)
class _Asked:
    connection: duckdb.DuckDBPyConnection
    series_ids: Sequence[int]
    time: TimeRange
    kept: NumberBlocks

    def blocks(self, snapshot: Snapshot, kind: _Kind[_B], most: int) -> list[_B]:
        """The points of a kind: all of some segments, those that are wanted of others; of these a
        few more than `most` at most."""
        found: list[_B] = []
        is_told = False
        left = most + 1
        is_many = len(self.series_ids) >= _MANY
        upgrades = _UPGRADES
        # Older parts first: their points arrived first.
        for part in reversed(parts_of(snapshot, "metric_points")):
            segment = part.segment
            if left <= 0 or not len(self.series_ids) or not _overlaps(segment, self.time):
                continue
            block = self.kept.known(segment, kind) if segment else None
            if (
                segment
                and block is None
                and self.kept.is_worth_it(
                    segment, kind, is_many, upgrades > 0, partial(self._size, kind, part)
                )
            ):
                upgrades -= 1
                block = self._read(kind, f"{part.relation('metric_points')} s WHERE"
                                   f" {kind.condition}")  # fmt: skip
                self.kept.keep(segment, kind, block)
            if block is None:
                if not is_told:
                    # Late: it takes longer than a question whose parts are all known.
                    ids = pa.table({"series_id": pa.array(self.series_ids, pa.uint64())})
                    self.connection.register(_IDS, ids)
                    is_told = True
                block, count = self._some(kind, part, left)
                left -= count
            found.append(block)
        return found

    def _some(self, kind: _Kind[_B], part: Part, most: int) -> tuple[_B, int]:
        rows = self._rows(
            kind,
            f"{part.relation('metric_points')} s SEMI JOIN {_IDS} i ON i.series_id = s.series_id"
            f" WHERE s.time_unix_nano >= {self.time.start_unix_nano:d}"
            f" AND s.time_unix_nano < {self.time.end_unix_nano:d} LIMIT {most:d}",
        )
        return kind.block(rows), rows.num_rows

    def _size(self, kind: _Kind[_B], part: Part) -> int:
        if not kind.size:
            return part.segment.row_count * _BYTES_OF_ROW if part.segment else 0
        query = f"SELECT {kind.size} FROM {part.relation('metric_points')} s WHERE {kind.condition}"
        return int(self.connection.execute(query).fetchall()[0][0])

    def _read(self, kind: _Kind[_B], relation: str) -> _B:
        return kind.block(self._rows(kind, relation))

    def _rows(self, kind: _Kind[_B], relation: str) -> pa.Table:
        return arrow(self.connection, f"SELECT {kind.columns} FROM {relation}").cast(kind.schema)


def _overlaps(segment: Segment | None, time: TimeRange) -> bool:
    return segment is None or (
        segment.max_unix_nano >= time.start_unix_nano and segment.min_unix_nano < time.end_unix_nano
    )
