"""Exact duplicates: spans equal in every field, as clients that re-batch send them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import duckdb

_SQL = Path(__file__).with_name("duplicates.sql")
_K1, _K2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


def without_duplicates(
    tables: dict[str, pa.Table], cursor: duckdb.DuckDBPyConnection
) -> tuple[dict[str, pa.Table], int]:
    """`spans`, `span_events` and `span_links` without repeats, and how many were dropped.

    Of equal spans the one that came first (the lowest row id) stays.
    """
    doomed = _repeated_rows(tables, cursor)
    if not doomed:
        return tables, 0
    dropped = pa.array(doomed, pa.uint64())
    kept = dict(tables)
    for name in ("spans", "span_events", "span_links"):
        if name in kept:
            is_doomed = pc.is_in(kept[name].column("row_id"), value_set=dropped)
            kept[name] = kept[name].filter(pc.invert(is_doomed))
    return kept, len(doomed)


def _repeated_rows(tables: dict[str, pa.Table], cursor: duckdb.DuckDBPyConnection) -> list[int]:
    spans = tables.get("spans")
    if spans is None or spans.num_rows < 2:
        return []
    candidates = spans.filter(pa.array(_shares_its_ids(spans)))
    if not candidates.num_rows:
        return []
    rows = candidates.column("row_id")
    cursor.register("candidates", candidates)
    for name in ("span_events", "span_links"):
        own = tables[name]
        own = own.append_column("position", pa.array(np.arange(own.num_rows)))
        cursor.register(f"candidate_{name}", own.filter(pc.is_in(own.column("row_id"), rows)))
    doomed = cursor.execute(_SQL.read_text()).fetchall()
    for name in ("candidates", "candidate_span_events", "candidate_span_links"):
        cursor.unregister(name)
    return [row[0] for row in doomed]


def _shares_its_ids(spans: pa.Table) -> npt.NDArray[np.bool_]:
    """For each span whether another one may have its trace and span id: a hash decides, so
    that millions of rows cost one sort and the exact comparison only sees a few."""
    hi, lo, own = (spans.column(c).to_numpy() for c in ("trace_hi", "trace_lo", "span_id"))
    mixed = (hi * _K1 ^ lo) * _K2 ^ own
    ordered = np.sort(mixed)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    found: npt.NDArray[np.bool_] = np.isin(mixed, repeated)
    return found
