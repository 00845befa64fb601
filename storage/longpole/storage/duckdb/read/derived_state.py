"""What derived rows say of traces: which revision is the latest, and what it counted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longpole.storage.duckdb.read.few_rows import one_trace
from longpole.storage.duckdb.read.hot_rows import LowHalves
from longpole.storage.duckdb.read.part import Part, halves, parts_among
from longpole.storage.duckdb.read.stored_rows import WANTED, arrow
from longpole.storage.duckdb.read.views import latest_only
from longpole.storage.duckdb.snapshot import Snapshot

if TYPE_CHECKING:
    import duckdb


_AMONG_WANTED = f"JOIN {WANTED} w ON s.trace_hi = w.trace_hi AND s.trace_lo = w.trace_lo WHERE true"

_STATE = ("revision", "span_count", "late", "clocks")

_StateRow: TypeAlias = tuple[int, int, int, int, int, str | None]
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
    sealed = [part for part in parts if part.segment is not None]
    selects = [_latest_sql(part, snapshot, wanted) for part in sealed]
    rows = _hot_revisions(snapshot, parts, hi, lo)
    if selects:  # plain values: a relation would plan the statement twice
        rows += connection.execute(" UNION ALL ".join(selects)).fetchall()
    latest: dict[int, LatestRevision] = {}
    for high, low, revision, span_count, late, clocks in rows:
        trace_id = high << 64 | low
        known = latest.get(trace_id)
        if known is None or known.revision < revision:
            latest[trace_id] = LatestRevision(revision, span_count, late, clocks or "")
    return latest


def hidden_revisions(
    superseded: pa.Table, hi: npt.NDArray[np.uint64], lo: npt.NDArray[np.uint64]
) -> dict[tuple[int, int], int]:
    """The revision up to which rows of those traces (halves of ids) are hidden, if any are."""
    if not superseded.num_rows:
        return {}
    places = LowHalves(lo).places(superseded.column("trace_lo").to_numpy())
    held = superseded.take(pa.array(places))
    halves_of = (held.column(name).to_pylist() for name in ("trace_hi", "trace_lo"))
    found = dict(
        zip(zip(*halves_of, strict=True), held.column("revision").to_pylist(), strict=True)
    )
    return {own: found[own] for own in zip(hi.tolist(), lo.tolist(), strict=True) if own in found}


def _hot_revisions(
    snapshot: Snapshot,
    parts: Sequence[Part],
    hi: npt.NDArray[np.uint64],
    lo: npt.NDArray[np.uint64],
) -> list[_StateRow]:
    """What `_latest_sql` finds in the hot rows, without SQL."""
    hidden = hidden_revisions(snapshot.superseded, hi, lo)
    wanted = set(zip(hi.tolist(), lo.tolist(), strict=True))
    names = ("trace_hi", "trace_lo", *_STATE)
    found: list[_StateRow] = []
    for part in parts:
        if part.segment is None:
            rows = part.hot["traces"]
            found += zip(*(rows.column(name).to_pylist() for name in names), strict=True)
    return [row for row in found if row[:2] in wanted and row[2] > hidden.get(row[:2], -1)]


def _latest_sql(
    part: Part, snapshot: Snapshot, wanted: str, key: str = "s.trace_hi, s.trace_lo"
) -> str:
    visible = f" AND {latest_only('s')}" if snapshot.superseded.num_rows else ""
    return (
        f"SELECT {key}, {', '.join(f's.{name}' for name in _STATE)}"
        f" FROM {part.relation('traces', wanted=('trace_hi', 'trace_lo', *_STATE))} s"
        f" {wanted}{visible}"
    )
