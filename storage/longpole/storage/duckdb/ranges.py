"""Cuts the rows of one kind into pieces by their sort key, so that little is worked on at a time.

Whatever copies rows (typed columns, sorting, folding) then needs memory for a piece, not for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longpole.storage.duckdb.hot import ID_COLUMN
from longpole.storage.duckdb.segment_info import RECORDS_OF_KIND

# Records of a row group in our files, which is in memory as a whole while it is written; DuckDB's
# own 122,880 take hundreds of MiB. A trace has some twenty path segments and as many RED rows.
_ROW_GROUP_ROWS = 61_440
_ROW_GROUP_TRACES = 15_360
_RANGE_KEY: Mapping[str, tuple[str, ...]] = {"logs": ("time_unix_nano",), "metrics": ("series_id",)}
_BY_TRACE = ("trace_hi", "trace_lo")
_SAMPLES_A_PIECE = 256


def row_group_rows(kind: str) -> int:
    """Rows of a row group in the files of a kind; a merge works on as many records at a time."""
    return _ROW_GROUP_TRACES if kind == "derived" else _ROW_GROUP_ROWS


def sealed_piece_rows(kind: str) -> int:
    """Records that a seal works on at a time: it goes on while memory is full of what is to be
    sealed, and derived rows are not folded yet."""
    return row_group_rows(kind) // 2


def range_key(kind: str) -> tuple[str, ...]:
    """The columns that order a kind of segment, the most significant first; tables of records
    and of what belongs to them have all of them, definitions need not."""
    return _RANGE_KEY.get(kind, _BY_TRACE)


def cuts_of(sample: Sequence[tuple[int, ...]], pieces: int) -> list[tuple[int, ...]]:
    """Sort keys, ascending, where pieces of about the same size begin, by a sorted sample; without
    the first, which begins with everything. Fewer, if keys repeat."""
    return sorted({sample[len(sample) * piece // pieces] for piece in range(1, pieces)})


def pieces_of(
    kind: str, tables: Mapping[str, pa.Table], piece_rows: int
) -> Iterator[dict[str, pa.Table]]:
    """The tables in pieces of about so many records, by ascending sort key, so that rows of equal
    keys come together; definitions (resources, scopes, metric series) with the first."""
    records = tables[RECORDS_OF_KIND[kind][0]]
    pieces = -(-records.num_rows // piece_rows)
    if pieces < 2:
        yield dict(tables)
        return
    key = range_key(kind)
    step = max(1, piece_rows // _SAMPLES_A_PIECE)
    sampled = zip(*(records.column(name).to_numpy()[::step].tolist() for name in key), strict=True)
    cuts = cuts_of(sorted(sampled), pieces)
    numbers = {
        name: _numbers(table, key, cuts) for name, table in tables.items() if name not in ID_COLUMN
    }
    for number in range(len(cuts) + 1):
        piece = {
            name: tables[name].filter(pa.array(own == number)) for name, own in numbers.items()
        }
        if not number:
            piece |= {name: table for name, table in tables.items() if name in ID_COLUMN}
        yield {name: piece[name] for name in tables if name in piece}


def _numbers(
    table: pa.Table, key: Sequence[str], cuts: Sequence[tuple[int, ...]]
) -> npt.NDArray[np.int32]:
    """The piece of each row: how many cuts are at or below its key."""
    found = np.zeros(table.num_rows, np.int32)
    values = [table.column(name).to_numpy() for name in key]
    for cut in cuts:
        is_beyond = np.ones(table.num_rows, np.bool_)
        for value, bound in zip(reversed(values), reversed(cut), strict=True):
            is_beyond = (value > bound) | ((value == bound) & is_beyond)
        found += is_beyond
    return found
