"""Superseded revisions: which entries no file needs any more."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa

from longpole.model.ids import join_trace_id, split_trace_id
from longpole.storage.duckdb.leases import LeaseBook


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
                f"SELECT DISTINCT trace_hi, trace_lo FROM {segment.alias}.settlements "
                "JOIN wanted USING (trace_hi, trace_lo) WHERE revision <= through"
            ).fetchall()
            cursor.unregister("wanted")
            needed |= {join_trace_id(high, low) for high, low in rows}
    return {t: revision for t, revision in superseded.items() if t not in needed}
