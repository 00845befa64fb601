"""Reads the numbers of series as whole columns. A sealed segment never changes, so its numbers are
decoded once and kept in memory, up to a bound, once they are asked for by many or often."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from longpole.model.timerange import TimeRange
from longpole.storage.duckdb.read.part import Part, parts_of
from longpole.storage.duckdb.read.stored_rows import arrow
from longpole.storage.duckdb.snapshot import Segment, Snapshot
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
_BYTES_OF_ROW = 9
_COLUMNS = (
    "s.series_id, s.time_unix_nano,"
    " coalesce(s.value_double, CAST(s.value_int AS DOUBLE)) AS value, s.flags"
)
_SCHEMA = pa.schema(
    [
        pa.field("series_id", pa.uint64()),
        pa.field("time_unix_nano", pa.int64()),
        pa.field("value", pa.float64()),
        pa.field("flags", pa.uint32()),
    ]
)


class NumberBlocks:
    """The numbers of segments; the least recently used are forgotten when all have more than
    `most_bytes`. Any thread may use it."""

    def __init__(self, most_bytes: int = 128 << 20) -> None:
        self._most_bytes = most_bytes
        self._held: OrderedDict[int, Block] = OrderedDict()
        self._asked: OrderedDict[int, int] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def known(self, segment_id: int) -> Block | None:
        """What is kept of a segment."""
        with self._lock:
            block = self._held.get(segment_id)
            if block is not None:
                self._held.move_to_end(segment_id)
            return block

    def is_worth_it(self, segment: Segment, is_many: bool, may_upgrade: bool) -> bool:
        """Whether a question should read all of a segment: it asks for many of its series, or for
        a few as others did before."""
        if segment.row_count * _BYTES_OF_ROW > self._most_bytes // 2:
            return False
        with self._lock:
            asked = self._asked.get(segment.segment_id, 0) + 1
            self._asked[segment.segment_id] = asked
            while len(self._asked) > 10_000:
                self._asked.popitem(last=False)
        return is_many or (may_upgrade and asked >= _OFTEN)

    def keep(self, segment_id: int, block: Block) -> None:
        """Remember all numbers of a segment."""
        with self._lock:
            if segment_id not in self._held:
                self._held[segment_id] = block
                self._bytes += block.byte_count
            while self._bytes > self._most_bytes:
                _, gone = self._held.popitem(last=False)
                self._bytes -= gone.byte_count


def read_number_points(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    series_ids: Sequence[int],
    time: TimeRange,
    most: int,
    kept: NumberBlocks,
) -> NumberPoints:
    """Answer `MetricReader.number_points`."""
    blocks: list[Block] = []
    is_told = False
    left = most + 1
    is_many = len(series_ids) >= _MANY
    upgrades = _UPGRADES
    # Older parts first: their points arrived first.
    for part in reversed(parts_of(snapshot, "metric_points")):
        segment = part.segment
        if left <= 0 or not len(series_ids) or not _overlaps(segment, time):
            continue
        block = kept.known(segment.segment_id) if segment else None
        if segment and block is None and kept.is_worth_it(segment, is_many, upgrades > 0):
            upgrades -= 1
            # Whatever has a count is no number.
            block = _read(connection, f"{part.relation('metric_points')} s WHERE s.count IS NULL")
            kept.keep(segment.segment_id, block)
        if block is None:
            if not is_told:
                # Late: it takes longer than a question whose parts are all known.
                ids = pa.table({"series_id": pa.array(series_ids, pa.uint64())})
                connection.register(_IDS, ids)
                is_told = True
            block = _some(connection, part, time, left)
            left -= block.values.size
        blocks.append(block)
    return assembled(blocks, series_ids, time, most)


def _some(connection: duckdb.DuckDBPyConnection, part: Part, time: TimeRange, most: int) -> Block:
    return _read(
        connection,
        f"{part.relation('metric_points')} s SEMI JOIN {_IDS} i ON i.series_id = s.series_id"
        f" WHERE s.time_unix_nano >= {time.start_unix_nano:d}"
        f" AND s.time_unix_nano < {time.end_unix_nano:d} LIMIT {most:d}",
    )


def _read(connection: duckdb.DuckDBPyConnection, relation: str) -> Block:
    rows = arrow(connection, f"SELECT {_COLUMNS} FROM {relation}").cast(_SCHEMA)
    return block_of(*(np.asarray(column.to_numpy()) for column in rows.columns))


def _overlaps(segment: Segment | None, time: TimeRange) -> bool:
    return segment is None or (
        segment.max_unix_nano >= time.start_unix_nano and segment.min_unix_nano < time.end_unix_nano
    )
