"""Superseded revisions: which entries no file needs any more."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from longpole.model.ids import join_trace_id, split_trace_id
from longpole.storage.duckdb.state import EngineState


def unneeded(state: EngineState, leaving: Collection[int]) -> dict[int, int]:
    """Entries of `superseded` whose hidden rows stand only in the segments that are leaving
    (or nowhere): no other derived file may hold the trace, and no hot derived row."""
    with state.lock:
        superseded = dict(state.superseded)
        staying = [s for s in state.segments if s.kind == "derived" and s.segment_id not in leaving]
        hot = state.hot.view().tables["traces"]
    if not superseded:
        return {}
    in_hot = {
        join_trace_id(hi, lo)
        for hi, lo in zip(
            hot.column("trace_hi").to_pylist(), hot.column("trace_lo").to_pylist(), strict=True
        )
    }
    pairs = [split_trace_id(trace_id) for trace_id in superseded]
    hi = np.array([high for high, _ in pairs], dtype=np.uint64)
    lo = np.array([low for _, low in pairs], dtype=np.uint64)
    is_needed = np.zeros(hi.size, dtype=np.bool_)
    for segment in staying:
        is_needed |= segment.bloom.contains(hi, lo)
    return {
        trace_id: revision
        for (trace_id, revision), needed in zip(superseded.items(), is_needed, strict=True)
        if not needed and trace_id not in in_hot
    }
