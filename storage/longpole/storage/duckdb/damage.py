"""Damage: which file it was that DuckDB could not read, and which of its rows still can be.

DuckDB keeps a checksum of every block and says, when one does not match,

    Corrupt database file: computed checksum … does not match stored checksum 53722549544659498
    in block at location 2371584

but not in which file. The checksum that is stored at that place gives it away.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from longpole.storage.duckdb.connection import arrow_table
from longpole.storage.duckdb.folded import DICTIONARIES, folding_of
from longpole.storage.duckdb.segment_info import TABLES_OF_KIND
from longpole.storage.duckdb.snapshot import Segment

if TYPE_CHECKING:
    import duckdb

_BLOCK = re.compile(r"stored checksum (\d+) in block at location (\d+)")
_READ = re.compile(r'[Cc]ould not read [^"]*"([^"\n]+)"')
_SIGNS = ("Corrupt database file", "ould not read")
_PASSING = ("Too many open files", "Permission denied", "Out of Memory", "failed to allocate")
ROW_GROUP = 122_880
VECTOR = 2_048  # DuckDB reads so many rows at a time, or none of them


def is_damage(error: BaseException) -> bool:
    """Whether DuckDB says that a file is damaged, or that the disk does not give it; not when
    it ran out of memory or was interrupted."""
    return any(sign in str(error) for sign in _SIGNS)


def is_passing(error: BaseException) -> bool:
    """Whether a file could not be opened for a reason that has nothing to do with what is in it:
    another start may have more luck."""
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in _PASSING)


def damaged_segments(error: BaseException, segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Which of these files the error is about, by what it says of a block or of a file; none
    for an error that has another cause. A sentence made up by a query matches no file."""
    text = str(error)
    block, read = _BLOCK.search(text), _READ.search(text)
    if block is not None:
        stored, location = int(block[1]), int(block[2])
        return tuple(s for s in segments if _holds(s.path, location, stored))
    if read is not None:
        return tuple(s for s in segments if str(s.path) == read[1])
    return ()


def _holds(path: Path, location: int, stored_checksum: int) -> bool:
    try:
        with path.open("rb") as file:
            found = os.pread(file.fileno(), 8, location)
    except (OSError, OverflowError):
        return False
    return len(found) == 8 and int.from_bytes(found, "little") == stored_checksum


@dataclass(frozen=True, slots=True)
class RowRange:
    """Rows `first` to `last` of a table, both included, counted from 0 as they are stored."""

    first: int
    last: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1


class ReadableRows:
    """The rows of one table of an attached file, read around its damage.

    To be iterated once, for Arrow tables of at most a row group, in the order of the file; after
    that `lost` are the rows that did not come, and `row_count` is how many there should be (None
    when even that cannot be read: then nothing came). Rows are lost by the vector.
    """

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, relation: str, columns: str = "*"
    ) -> None:
        self._cursor = cursor
        self._relation = relation
        self._columns = columns
        self.row_count: int | None = None
        self.lost: list[RowRange] = []

    def __iter__(self) -> Iterator[pa.Table]:
        count = _row_count(self._cursor, self._relation)
        self.row_count = count
        if count is None:
            return
        waiting = [(at, min(at + ROW_GROUP, count)) for at in range(0, count, ROW_GROUP)]
        waiting.reverse()
        while waiting:
            first, end = waiting.pop()
            rows = self._read(first, end)
            if rows is not None:
                yield rows
            elif end - first <= VECTOR:
                self._lose(first, end - 1)
            else:
                half = first + max(VECTOR, (end - first) // 2 // VECTOR * VECTOR)
                waiting += [(half, end), (first, half)]

    @property
    def lost_count(self) -> int:
        """How many rows did not come."""
        return sum(lost.count for lost in self.lost)

    def _read(self, first: int, end: int) -> pa.Table | None:
        # DuckDB skips the blocks of rows that a bound on `rowid` leaves out.
        sql = (
            f"SELECT {self._columns} FROM {self._relation} WHERE rowid >= {first} AND rowid < {end}"
        )
        try:
            rows = arrow_table(self._cursor, sql)
        except Exception as error:
            if not is_damage(error):
                raise
            return None
        return rows if rows.num_rows == end - first else None

    def lose(self, rows: Iterable[int]) -> None:
        """These came and are of no use; to be called before the next ones come."""
        for row in rows:
            self._lose(row, row)

    def _lose(self, first: int, last: int) -> None:
        if self.lost and self.lost[-1].last == first - 1:
            first = self.lost.pop().first
        self.lost.append(RowRange(first, last))


def why_unreadable(cursor: duckdb.DuckDBPyConnection, relation: str) -> str:
    """What DuckDB says when it reads every value of a table; "" when all can be read."""
    try:
        cursor.execute(f"SELECT bit_xor(hash(t)) FROM {relation} AS t").fetchall()
    except Exception as error:
        if not is_damage(error):
            raise
        return str(error).splitlines()[0]
    return ""


def damage_of(cursor: duckdb.DuckDBPyConnection, alias: str, kind: str) -> str:
    """What is unreadable in an attached segment; "" when everything is in order."""
    is_folded = kind == "derived" and folding_of(cursor, alias) is not None
    found = {
        table: reason
        for table in (*TABLES_OF_KIND[kind], *(DICTIONARIES if is_folded else ()))
        if (reason := why_unreadable(cursor, f"{alias}.{table}"))
    }
    if not found:
        return ""
    (first, *_), tables = found.values(), ", ".join(found)
    return f"parts of {tables} cannot be read: {first}"


def _row_count(cursor: duckdb.DuckDBPyConnection, relation: str) -> int | None:
    try:
        ((count,),) = cursor.execute(f"SELECT count(*) FROM {relation}").fetchall()
    except Exception as error:
        if not is_damage(error):
            raise
        return None
    return int(count)
