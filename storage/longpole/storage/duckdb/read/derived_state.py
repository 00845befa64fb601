"""What derived rows say of traces: which revision is the latest, and what it counted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longpole.storage.duckdb.read.few_rows import one_trace
from longpole.storage.duckdb.read.part import Part, halves, parts_among
from longpole.storage.duckdb.read.stored_rows import WANTED, arrow
from longpole.storage.duckdb.read.views import latest_only
from longpole.storage.duckdb.snapshot import Snapshot

if TYPE_CHECKING:
    import duckdb


_AMONG_WANTED = f"JOIN {WANTED} w ON s.trace_hi = w.trace_hi AND s.trace_lo = w.trace_lo WHERE true"

Counts: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LatestRevision:
    """The latest derived row of one trace."""

    revision: int
    span_count: int
    late: int
    clocks: str

    def late_now(self, span_count: int) -> int:
        """Late spans of the trace when it holds `span_count` spans now."""
        return self.late + max(0, span_count - self.span_count)


def latest_columns(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    hi: npt.NDArray[np.uint64],
    lo: npt.NDArray[np.uint64],
) -> tuple[Counts, Counts, Counts, list[str | None]]:
    """The latest revision of each of those traces (the halves of their ids), its late spans and
    all its spans, 0 where there is none; and its clocks, None where there is none."""
    columns = tuple(np.zeros(hi.size, np.int64) for _ in range(3))
    clocks: list[str | None] = [None] * hi.size
    parts = parts_among(snapshot, "traces", hi, lo) if hi.size else []
    if parts:
        places = np.arange(hi.size)
        connection.register(WANTED, pa.table({"trace_hi": hi, "trace_lo": lo, "place": places}))
        selects = [_latest_sql(part, snapshot, _AMONG_WANTED, "place") for part in parts]
        rows = arrow(connection, " UNION ALL ".join(selects))
        # Ascending, so that the latest revision is what stays.
        order = np.argsort(rows.column("revision").to_numpy(), kind="stable")
        place = rows.column("place").to_numpy()[order]
        for column, name in zip(columns, ("revision", "late", "span_count"), strict=True):
            column[place] = rows.column(name).to_numpy()[order]
        texts = rows.column("clocks").fill_null("").take(pa.array(order)).to_pylist()
        for at, text in zip(place.tolist(), texts, strict=True):
            clocks[at] = text
    return columns[0], columns[1], columns[2], clocks


def latest_revisions(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, trace_ids: Collection[int]
) -> dict[int, LatestRevision]:
    """The latest revision of each of those traces that has one."""
    hi, lo = halves(sorted(trace_ids))
    parts = parts_among(snapshot, "traces", hi, lo) if trace_ids else []
    if not parts:
        return {}
    if hi.size == 1:  # DuckDB plans and answers this in half the time of a join
        wanted = f"WHERE {one_trace(int(hi[0]), int(lo[0]))}"
    else:
        wanted = _AMONG_WANTED
        connection.register(WANTED, pa.table({"trace_hi": hi, "trace_lo": lo}))
    selects = [_latest_sql(part, snapshot, wanted) for part in parts]
    # Plain values: a relation would plan the statement twice.
    rows = connection.execute(" UNION ALL ".join(selects)).fetchall()
    latest: dict[int, LatestRevision] = {}
    for high, low, revision, span_count, late, clocks in rows:
        trace_id = high << 64 | low
        known = latest.get(trace_id)
        if known is None or known.revision < revision:
            latest[trace_id] = LatestRevision(revision, span_count, late, clocks or "")
    return latest


def _latest_sql(
    part: Part, snapshot: Snapshot, wanted: str, key: str = "s.trace_hi, s.trace_lo"
) -> str:
    visible = f" AND {latest_only('s')}" if snapshot.superseded.num_rows else ""
    return (
        f"SELECT {key}, s.revision, s.span_count, s.late, s.clocks"
        f" FROM {part.relation('traces')} s {wanted}{visible}"
    )
