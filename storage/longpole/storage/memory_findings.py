"""Gives the findings kept with plain rows, as `FoundFindings` promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa

from longpole.storage.answers import FINDING_ROOTS, FOUND_FINDINGS
from longpole.storage.memory_query import TraceRow
from longpole.storage.memory_totals import coverage_of
from longpole.storage.ports import FoundFindings

_ROOT = ("root_service", "root_operation")


def findings(
    rows: Sequence[TraceRow],
    kept: Mapping[int, Sequence[Mapping[str, object]]],
    notices: tuple[str, ...],
) -> FoundFindings:
    """Findings of the settled ones among `rows`, `kept` by trace; the others are named."""
    used = [row for row in rows if row.values["is_settled"]]
    lines = [
        {**finding, **{name: row.values[name] for name in _ROOT}}
        for row in used
        for finding in kept[row.trace_id]
    ]
    counts = Counter(tuple(row.values[name] for name in _ROOT) for row in used)
    roots = [
        {**dict(zip(_ROOT, root, strict=True)), "trace_count": count}
        for root, count in counts.items()
    ]
    return FoundFindings(
        pa.Table.from_pylist(lines, schema=FOUND_FINDINGS),
        pa.Table.from_pylist(roots, schema=FINDING_ROOTS),
        coverage_of(rows),
        tuple(row.trace_id for row in rows if not row.values["is_settled"]),
        notices,
    )
