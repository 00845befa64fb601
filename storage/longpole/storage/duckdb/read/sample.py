"""Draws some of the traces that match, the same ones for the same data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from longpole.model.query import TraceQuery
from longpole.storage.duckdb.read.search import matching_ids, notices_of
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.ports import TraceSample
from longpole.storage.query_checks import refuse_bad_regexes

if TYPE_CHECKING:
    import duckdb


def read_sample(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, query: TraceQuery, most: int
) -> TraceSample:
    """Answer `TraceReader.sample_traces`: two narrow columns are read, nothing is sorted but
    what is kept."""
    refuse_bad_regexes(query)
    found = matching_ids(connection, snapshot, query)
    hi, lo = (found.column(name).to_numpy() for name in ("trace_hi", "trace_lo"))
    kept = np.arange(lo.size)
    if most < lo.size:
        # All that are as low as the last one kept: which of these stay, the high half decides.
        kept = np.flatnonzero(lo <= np.partition(lo, most)[most])
    kept = kept[np.lexsort((hi[kept], lo[kept]))][:most]
    ids = zip(hi[kept].tolist(), lo[kept].tolist(), strict=True)
    return TraceSample(
        tuple(high << 64 | low for high, low in ids), int(lo.size), notices_of(snapshot, query)
    )
