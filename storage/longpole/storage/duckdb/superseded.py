"""Superseded revisions: which there are in files, and which entries no file needs any more."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from longpole.model.ids import join_trace_id, split_trace_id
from longpole.storage.duckdb.damage import is_damage
from longpole.storage.duckdb.folded import folding_of
from longpole.storage.duckdb.leases import LeaseBook
from longpole.storage.duckdb.unfolding import settlements_of, unfolded

if TYPE_CHECKING:
    import duckdb


def unneeded(
    superseded: Mapping[int, int], leases: LeaseBook, leaving: Collection[int]
) -> dict[int, int]:
    """Entries of `superseded` whose hidden rows stand only in the segments that are leaving,
    or nowhere: no other derived segment and no hot row holds a hidden revision.

    What replaces the leaving segments must be without those rows, so a merge passes the
    entries that it went by, not those that came while it wrote.
    """
    if not superseded:
        return {}
    pairs = [split_trace_id(trace_id) for trace_id in superseded]
    hi = np.array([high for high, _ in pairs], dtype=np.uint64)
    lo = np.array([low for _, low in pairs], dtype=np.uint64)
    through = np.array(list(superseded.values()), dtype=np.uint32)
    with leases.lease() as lease:
        needed = {
            join_trace_id(high, low)
            for high, low, revision in zip(
                *(
                    lease.snapshot.hot["settlements"].column(name).to_pylist()
                    for name in ("trace_hi", "trace_lo", "revision")
                ),
                strict=True,
            )
            if revision <= superseded.get(join_trace_id(high, low), 0)
        }
        cursor = lease.cursor()
        for segment in lease.snapshot.segments_of("derived"):
            mask = segment.bloom.contains(hi, lo)
            if segment.segment_id in leaving or not mask.any():
                continue
            cursor.register(
                "wanted",
                pa.table({"trace_hi": hi[mask], "trace_lo": lo[mask], "through": through[mask]}),
            )
            rows = cursor.execute(
                f"SELECT DISTINCT trace_hi, trace_lo FROM {settlements_of(segment)} "
                "JOIN wanted USING (trace_hi, trace_lo) WHERE revision <= through"
            ).fetchall()
            cursor.unregister("wanted")
            needed |= {join_trace_id(high, low) for high, low in rows}
    return {t: revision for t, revision in superseded.items() if t not in needed}


def hidden_revisions(cursor: duckdb.DuckDBPyConnection, aliases: Iterable[str]) -> dict[int, int]:
    """Trace id to the revision below the latest one, of the traces that have several in these
    attached derived files. A damaged file tells nothing: whoever reads it next repairs it."""
    latest: dict[int, int] = {}
    for alias in aliases:
        try:
            settlements = unfolded(alias, folding_of(cursor, alias), "settlements")
            rows = cursor.execute(
                f"SELECT trace_hi, trace_lo, max(revision) FROM {settlements} "
                "WHERE revision > 1 GROUP BY ALL"
            ).fetchall()
        except Exception as error:
            if not is_damage(error):
                raise
            continue
        for hi, lo, revision in rows:
            trace_id = join_trace_id(hi, lo)
            latest[trace_id] = max(latest.get(trace_id, 0), revision)
    return {trace_id: revision - 1 for trace_id, revision in latest.items()}
