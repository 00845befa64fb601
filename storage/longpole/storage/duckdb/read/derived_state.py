"""What derived rows say of traces: which revision is the latest, and what it counted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from longpole.storage.duckdb.read.part import Part, halves, parts_of
from longpole.storage.duckdb.read.stored_rows import WANTED, arrow
from longpole.storage.duckdb.read.views import latest_only
from longpole.storage.duckdb.snapshot import Snapshot

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class LatestRevision:
    """The latest derived row of one trace."""

    revision: int
    span_count: int
    late: int

    def late_now(self, span_count: int) -> int:
        """Late spans of the trace when it holds `span_count` spans now."""
        return self.late + max(0, span_count - self.span_count)


def latest_revisions(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, trace_ids: Collection[int]
) -> dict[int, LatestRevision]:
    """The latest revision of each of those traces that has one."""
    hi, lo = halves(sorted(trace_ids))
    parts = [part for part in parts_of(snapshot, "traces") if part.may_hold(hi, lo)]
    if not parts or not trace_ids:
        return {}
    connection.register(WANTED, pa.table({"trace_hi": hi, "trace_lo": lo}))
    selects = [_latest_sql(part, snapshot) for part in parts]
    rows = arrow(connection, " UNION ALL ".join(selects)).to_pylist()
    latest: dict[int, LatestRevision] = {}
    for row in rows:
        trace_id = row["trace_hi"] << 64 | row["trace_lo"]
        known = latest.get(trace_id)
        if known is None or known.revision < row["revision"]:
            latest[trace_id] = LatestRevision(row["revision"], row["span_count"], row["late"])
    return latest


def _latest_sql(part: Part, snapshot: Snapshot) -> str:
    visible = f" WHERE {latest_only('s')}" if snapshot.superseded.num_rows else ""
    return (
        "SELECT s.trace_hi, s.trace_lo, s.revision, s.span_count, s.late"
        f" FROM {part.relation('traces')} s JOIN {WANTED} USING (trace_hi, trace_lo){visible}"
    )
