"""Log marks: the log records of a trace, put into its columns.

They come last, since records go on arriving for a trace whose columns are long stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from longpole.analyzer.reports.trace_columns.columns import HAS_LOGS, TraceColumns
from longpole.analyzer.reports.trace_columns.marks import LOG
from longpole.model.log import LogRecord


def with_logs(columns: TraceColumns, logs: Sequence[LogRecord]) -> TraceColumns:
    """The columns with a mark for each record that names one of the spans; of several spans with
    one id it belongs to the first. Times are put right with the clock of the span."""
    named = [record for record in logs if record.span_id]
    if not named or not columns.span_ids.size:
        return columns
    wanted = np.array([record.span_id for record in named], np.uint64)
    candidates = np.flatnonzero(np.isin(columns.span_ids, wanted))
    if not candidates.size:
        return columns
    ids = columns.span_ids[candidates]
    order = np.lexsort((columns.order.indices[candidates], ids))
    candidates, ids = candidates[order], ids[order]
    places = np.minimum(np.searchsorted(ids, wanted), ids.size - 1)
    is_known = ids[places] == wanted
    rows = candidates[places[is_known]]
    found = [record for record, known in zip(named, is_known.tolist(), strict=True) if known]
    times = np.array([r.time_unix_nano or r.observed_time_unix_nano for r in found], np.int64)
    severities = [min(max(record.severity_number, 0), 255) for record in found]
    old = columns.arrays
    ticks = columns.axis.ticks(columns.axis.offsets(times + columns.shifts_ns[rows]))
    mark_rows = np.concatenate((old["mark_row"], rows.astype(np.uint32)))
    mark_times = np.concatenate((old["mark_time"], ticks))
    kinds = np.concatenate((old["mark_kind"], np.full(rows.size, LOG, np.uint8)))
    flags = old["flags"].copy()
    flags[rows] |= HAS_LOGS
    sequence = np.lexsort((kinds, mark_times, mark_rows))
    new = {
        "flags": flags,
        "mark_row": mark_rows[sequence],
        "mark_time": mark_times[sequence],
        "mark_kind": kinds[sequence],
        "mark_severity": np.concatenate((old["mark_severity"], np.array(severities, np.uint8)))[
            sequence
        ],
    }
    return replace(columns, arrays=old | new)
