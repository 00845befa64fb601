"""Finds how long the runs of one root took, for what is asked with every trace that is shown.

A sealed segment never changes, so what it has of a root is read once and kept; of the hot rows a
mask is made without SQL. What is not current of either is left out afterwards.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longpole.model import columns
from longpole.model.ids import join_trace_id
from longpole.model.timerange import TimeRange
from longpole.storage.duckdb.read.derived_state import hidden_revisions
from longpole.storage.duckdb.read.hot_rows import LowHalves, in_schema
from longpole.storage.duckdb.read.part import Part, parts_of
from longpole.storage.duckdb.read.red_series import RedCubes
from longpole.storage.duckdb.read.stored_rows import arrow
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.search_ports import ROOT_RUNS

if TYPE_CHECKING:
    import duckdb

_READ = pa.schema([*ROOT_RUNS, columns.TRACES.field("revision")])
_Ids: TypeAlias = npt.NDArray[np.uint64]


def read_root_runs(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    root: tuple[str, str],
    time: TimeRange,
    most: int,
    kept: RedCubes,
) -> pa.Table:
    """Answer `TraceSearcher.root_runs`."""
    found = [_READ.empty_table()]
    begun: list[npt.NDArray[np.int64]] = []
    for part in parts_of(snapshot, "traces"):
        if not part.may_begin_in(time):
            continue
        if sum(int((starts > part.newest_unix_nano).sum()) for starts in begun) >= most:
            break  # everything that is left began before
        if part.segment is None:
            rows = _hot(part.hot["traces"], root)
        else:
            key = (part.segment.segment_id, *root)
            rows = kept.get(key, partial(_sealed, connection, part, root))
        found.append(_current(snapshot, rows, time))
        begun.append(found[-1].column("start_unix_nano").to_numpy())
    return _newest(pa.concat_tables(found).select(ROOT_RUNS.names), most)


def _hot(traces: pa.Table, root: tuple[str, str]) -> pa.Table:
    service, operation = root
    is_of_root = pc.and_(
        pc.equal(traces.column("root_operation"), pa.scalar(operation, pa.string())),
        pc.equal(traces.column("root_service"), pa.scalar(service, pa.string())),
    )
    return in_schema(traces.select(_READ.names).filter(is_of_root), _READ)


def _sealed(connection: duckdb.DuckDBPyConnection, part: Part, root: tuple[str, str]) -> pa.Table:
    names = ", ".join(f"s.{name}" for name in _READ.names)
    sql = (
        f"SELECT {names} FROM {part.plain('traces')} s"
        " WHERE s.root_service = ? AND s.root_operation = ?"
    )
    return arrow(connection, sql, root).cast(_READ)


def _current(snapshot: Snapshot, rows: pa.Table, time: TimeRange) -> pa.Table:
    """Those that begin in that time and are the latest word on a settled trace."""
    starts = rows.column("start_unix_nano").to_numpy()
    is_current = (starts >= time.start_unix_nano) & (starts < time.end_unix_nano)
    hi, lo = (rows.column(name).to_numpy() for name in ("trace_hi", "trace_lo"))
    is_current[_pending_places(snapshot, hi, lo)] = False
    if snapshot.superseded.num_rows:
        is_current[_superseded_places(snapshot.superseded, hi, lo, rows)] = False
    return rows.filter(pa.array(is_current))


def _pending_places(snapshot: Snapshot, hi: _Ids, lo: _Ids) -> list[int]:
    places = LowHalves(snapshot.pending.halves[1]).places(lo)
    ids = map(join_trace_id, hi[places].tolist(), lo[places].tolist())
    return [
        place
        for place, trace_id in zip(places.tolist(), ids, strict=True)
        if trace_id in snapshot.pending
    ]


def _superseded_places(superseded: pa.Table, hi: _Ids, lo: _Ids, rows: pa.Table) -> list[int]:
    places = LowHalves(superseded.column("trace_lo").to_numpy()).places(lo)
    hidden = hidden_revisions(superseded, hi[places], lo[places])
    revisions = rows.column("revision").to_numpy()
    halves = zip(hi[places].tolist(), lo[places].tolist(), strict=True)
    return [
        place
        for place, own, revision in zip(
            places.tolist(), halves, revisions[places].tolist(), strict=True
        )
        if revision <= hidden.get(own, -1)
    ]


def _newest(rows: pa.Table, most: int) -> pa.Table:
    by = [("start_unix_nano", "descending"), ("trace_hi", "ascending"), ("trace_lo", "ascending")]
    return rows.take(pc.sort_indices(rows, sort_keys=by).slice(0, most))
