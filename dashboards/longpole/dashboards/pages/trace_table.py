"""The table of spans on a trace's page: what a reader without scripts has instead of the viewer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longpole.analyzer.reports.trace_columns.columns import ERROR, ON_PATH, TraceColumns
from longpole.dashboards.time_axis import TimeAxis
from longpole.model.ids import span_id_hex

# More rows than this do not help a reader and make the page slow.
MAX_ROWS = 300
DEEPEST_INDENT = 24
BAR_WIDTH = 1000


@dataclass(frozen=True, slots=True)
class TableRow:
    """One span: `x` and `width` of its bar in `BAR_WIDTH` units (at least 2, also at the right
    end), the marks of what lies `outside` of the root, an indentation class."""

    row: int
    span_id: str
    service: str
    operation: str
    is_error: bool
    is_on_path: bool
    critical_ns: int
    duration_ns: int
    x: float
    width: float
    outside: str
    indent: int


def table_rows(columns: TraceColumns) -> list[TableRow]:
    """All spans in tree order; of very many those that hold most of the path, then the first
    others."""
    axis = _axis(columns)
    return [_row(columns, row, axis) for row in chosen_rows(columns)]


def chosen_rows(columns: TraceColumns) -> list[int]:
    """The rows that the table shows, ascending."""
    count = columns.span_ids.size
    if count <= MAX_ROWS:
        return list(range(count))
    flags = columns.arrays["flags"]
    on_path = np.flatnonzero(flags & ON_PATH)
    if on_path.size > MAX_ROWS:
        longest = np.argsort(-columns.critical_ns[on_path], kind="stable")[:MAX_ROWS]
        return sorted(on_path[longest].tolist())
    others = np.flatnonzero(flags & ON_PATH == 0)[: MAX_ROWS - on_path.size]
    return sorted([*on_path.tolist(), *others.tolist()])


def _axis(columns: TraceColumns) -> TimeAxis:
    if columns.root_end_ns > columns.root_start_ns:
        return TimeAxis(columns.root_start_ns, columns.root_end_ns - columns.root_start_ns)
    return TimeAxis(0, max(1, columns.axis.length_ns))


def _row(columns: TraceColumns, row: int, axis: TimeAxis) -> TableRow:
    start, duration = int(columns.starts_ns[row]), int(columns.durations_ns[row])
    begin, length, outside = axis.place({"start_unix_nano": start, "duration_ns": duration})
    width = max(2.0, length * BAR_WIDTH / axis.total_ns)
    name, service = columns.operations[int(columns.arrays["op"][row])]
    flags = int(columns.arrays["flags"][row])
    return TableRow(
        row=row,
        span_id=span_id_hex(int(columns.span_ids[row])),
        service=columns.services[service],
        operation=name,
        is_error=bool(flags & ERROR),
        is_on_path=bool(flags & ON_PATH),
        critical_ns=int(columns.critical_ns[row]),
        duration_ns=duration,
        x=min(begin * BAR_WIDTH / axis.total_ns, BAR_WIDTH - width),
        width=width,
        outside=outside,
        indent=min(int(columns.arrays["depth"][row]), DEEPEST_INDENT),
    )
