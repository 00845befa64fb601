"""Times: path time of a batch trace by trace, in the form that storage gives it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from longpole.analyzer.columnar.paths import BatchPaths
from longpole.analyzer.columnar.totals import coded_columns
from longpole.model.ids import split_trace_id
from longpole.storage.ports import Coverage, PathTimes


def path_times(paths: BatchPaths, group_by: Sequence[str]) -> PathTimes:
    """Path time of every trace of the batch but the odd ones, as `PathTimes`, save that a cell is
    one segment: a trace may have several for one group. `coverage` counts nothing."""
    batch, forest, segments = paths.batch, paths.forest, paths.segments
    kept = np.flatnonzero(forest.primary >= 0)
    roots = forest.primary[kept]
    ids = [split_trace_id(batch.whole.traces[place].trace_id) for place in kept.tolist()]
    starts, ends = batch.starts[roots], batch.ends[roots]
    traces = pa.table(
        {
            "trace_hi": pa.array([hi for hi, _ in ids], pa.uint64()),
            "trace_lo": pa.array([lo for _, lo in ids], pa.uint64()),
            "root_service": _texts(batch.services[roots], batch.service_names),
            "root_operation": _texts(batch.names[roots], batch.span_names),
            "start_unix_nano": starts,
            "duration_ns": ends - starts,
        }
    )
    place_of = np.full(forest.primary.size, -1, np.int64)
    place_of[kept] = np.arange(kept.size)
    of_trace = np.repeat(np.arange(segments.offsets.size - 1), np.diff(segments.offsets))
    columns: dict[str, object] = {"place": place_of[of_trace]}
    for name, (codes, values) in zip(
        group_by, coded_columns(paths, of_trace, group_by), strict=True
    ):
        kind = pa.uint64() if name == "call_path_id" else pa.string()
        columns[name] = pa.DictionaryArray.from_arrays(
            pa.array(codes, mask=codes < 0), pa.array(list(values), kind)
        )
    ones = np.ones(of_trace.size, np.int64)
    lengths = segments.ends - segments.starts
    columns |= {"critical_ns": lengths, "segment_count": ones, "span_count": ones}
    return PathTimes(traces, pa.table(columns), Coverage())


def _texts(codes: np.ndarray, texts: Sequence[str]) -> list[str]:
    return [texts[code] for code in codes.tolist()]
