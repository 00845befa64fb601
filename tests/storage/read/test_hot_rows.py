"""Rows of a few traces among all that are in memory."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from longpole.storage.duckdb.read.hot_rows import count_of_trace, newest_starts, rows_of_traces

_SCHEMA = pa.schema([("trace_hi", pa.uint64()), ("trace_lo", pa.uint64()), ("row", pa.int64())])


def chunks_of(count: int) -> pa.Table:
    """Four chunks of traces that share halves of their ids with each other, and low bits."""
    row = np.arange(count)
    table = pa.table(
        {"trace_hi": row % 3, "trace_lo": (row % 40) << 15, "row": row}, schema=_SCHEMA
    )
    bounds = np.linspace(0, count, 5).astype(int).tolist()
    pieces = [table.slice(a, b - a) for a, b in zip(bounds, bounds[1:], strict=False)]
    return pa.concat_tables(pieces)


def ids(*pairs: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Halves of ids as columns."""
    hi, lo = zip(*pairs, strict=True)
    return np.array(hi, np.uint64), np.array(lo, np.uint64)


def test_the_rows_of_one_trace_are_all_of_its_own_and_in_order() -> None:
    found = rows_of_traces(chunks_of(1000), *ids((2, 5 << 15)))

    assert found.column("row").to_pylist() == list(range(5, 1000, 120))
    assert count_of_trace(chunks_of(1000), 2, 5 << 15) == found.num_rows


def test_many_traces_are_found_among_others_with_the_same_low_bits() -> None:
    wanted = [place << 15 for place in range(0, 40, 3)]
    found = rows_of_traces(chunks_of(1000), *ids(*((0, low) for low in wanted)))

    is_wanted = [row for row in range(1000) if (row % 40) << 15 in wanted]
    assert found.column("row").to_pylist() == is_wanted


def test_a_trace_without_rows_gives_none_of_others() -> None:
    assert rows_of_traces(chunks_of(1000), *ids((9, 5 << 15))).num_rows == 0
    assert rows_of_traces(chunks_of(0), *ids((0, 0))).schema == _SCHEMA


def test_the_newest_start_of_each_trace_is_told_unless_low_halves_are_equal() -> None:
    spans = chunks_of(1000).rename_columns(["trace_hi", "trace_lo", "start_unix_nano"])

    newest = newest_starts(spans, *ids((2, 5 << 15), (9, 6 << 15), (0, 0)))

    assert newest is not None
    assert newest.tolist() == [965, -(2**63), 960]
    assert newest_starts(spans, *ids((2, 5 << 15), (1, 5 << 15))) is None
