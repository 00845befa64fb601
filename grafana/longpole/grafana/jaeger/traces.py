"""Traces as Jaeger's API has them: whole, with every span."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from longpole.formats import jaeger
from longpole.model.query import TraceQuery
from longpole.storage.ports import TraceReader

# A search sends all spans of what it found. Traces after so many spans are left out, and said.
MOST_SPANS = 500_000


def found_traces(store: TraceReader, query: TraceQuery) -> tuple[list[dict[str, Any]], str]:
    """Matching traces, newest first, and a word about those that were left out, or ""."""
    rows = store.find_traces(query).traces
    ids = [
        hi << 64 | lo
        for hi, lo in zip(rows["trace_hi"].to_pylist(), rows["trace_lo"].to_pylist(), strict=True)
    ]
    kept, spans = 0, 0
    for count in rows["span_count"].to_pylist():
        spans += count
        if kept and spans > MOST_SPANS:
            break
        kept += 1
    left_out = len(ids) - kept
    said = f"{left_out} traces left out: more than {MOST_SPANS:,} spans" if left_out else ""
    return traces_of(store, ids[:kept]), said


def traces_of(store: TraceReader, ids: Sequence[int]) -> list[dict[str, Any]]:
    """The traces with these ids, in their order; unknown ones are left out."""
    trees = {tree["traceID"]: tree for tree in jaeger.trees(store.trace_tables(ids))}
    return [
        {**tree, "warnings": None}
        for trace_id in ids
        if (tree := trees.get(f"{trace_id:032x}")) is not None
    ]
