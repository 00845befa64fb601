"""Loads the two sides of a comparison: which traces match, and what is in those that are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longpole.analyzer.compare.cells import trace_cells
from longpole.analyzer.compare.sample import Names, Sample, TraceCells, sample_of
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.reports.unsettled import explanations
from longpole.model.ids import join_trace_id
from longpole.model.query import TraceQuery
from longpole.storage.ports import TraceReader

DEFAULT_SAMPLE = 2_000
MOST_SAMPLED = 50_000


@dataclass(frozen=True, slots=True)
class Side:
    """Where to look, and for what; `query.limit` does not apply."""

    reader: TraceReader
    query: TraceQuery


@dataclass(frozen=True, slots=True)
class LoadedSide:
    """`matched` traces of which those of `sample` are used: all, or as many as were asked for,
    drawn by their ids. `incomplete` and `late` count used ones."""

    side: Side
    sample: Sample
    matched: int
    incomplete: int
    late: int
    notices: tuple[str, ...]


def load_side(side: Side, names: Names, most: int, options: PathOptions | None) -> LoadedSide:
    """Explain the matching traces as they are now, at most `most` of them.

    A trace belongs to the side in whose time its root starts, so none is on both sides of a
    moment. Which ones are used depends on their ids alone: asked again, the same.
    """
    found = side.reader.find_traces(replace(side.query, limit=None))
    rows = found.traces
    time = side.query.time
    if not time.is_unbounded:
        starts = rows.column("start_unix_nano").to_numpy()
        is_in = (starts >= time.start_unix_nano) & (starts < time.end_unix_nano)
        rows = rows.filter(pa.array(is_in))
    ids = _drawn(rows, most)
    traces: list[TraceCells] = []
    incomplete = late = 0
    for explanation in explanations(side.reader, ids, options):
        if explanation.root < 0:
            continue
        done = explanation.completeness
        incomplete += bool(done.orphans or done.headless)
        late += done.late > 0
        traces.append(trace_cells(explanation))
    traces.sort(key=lambda one: (one.start_unix_nano, one.trace_id))
    sample = sample_of(traces, names)
    return LoadedSide(side, sample, rows.num_rows, incomplete, late, found.notices)


def _drawn(rows: pa.Table, most: int) -> Sequence[int]:
    hi, lo = (rows.column(name).to_numpy().astype(np.uint64) for name in ("trace_hi", "trace_lo"))
    if hi.size > most:
        kept = np.sort(np.argsort(_mixed(hi, lo), kind="stable")[:most])
        hi, lo = hi[kept], lo[kept]
    return [join_trace_id(a, b) for a, b in zip(hi.tolist(), lo.tolist(), strict=True)]


def _mixed(hi: npt.NDArray[np.uint64], lo: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Ids made even: counters and times in them say nothing about being drawn (splitmix64)."""
    x = hi * np.uint64(0x9E3779B97F4A7C15) + lo
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
