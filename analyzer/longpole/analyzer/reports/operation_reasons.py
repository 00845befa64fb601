"""What was found most often in each operation of a service: the last column of its table."""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc

from longpole.analyzer.wording import first_sentence
from longpole.model.finding import FindingSeverity
from longpole.model.ids import join_trace_id, trace_id_hex
from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader

_COLUMNS = ["trace_hi", "trace_lo", "detector", "severity", "operation", "reason", "saving_ns"]


def operation_reasons(
    reader: TraceReader, service: str, time: TimeRange
) -> dict[str, dict[str, Any]]:
    """By operation: the `detector` that found something, of level warning or above, in the most
    traces (of equals the one whose mending saves most), in how many (`trace_count`), and the
    `summary` and `trace_id` of the finding that costs most. From derived rows only, so without
    the traces that are not settled; an operation in which nothing was found is left out."""
    query = TraceQuery((Condition(Field.SERVICE, Comparison.EQ, service),), time, None)
    found = reader.findings(query).findings
    is_own = pc.and_(
        pc.equal(found.column("service"), service),
        pc.not_equal(found.column("severity"), FindingSeverity.INFO.value),
    )
    traces: dict[tuple[str, str], set[int]] = {}
    saved: dict[tuple[str, str], int] = {}
    worst: dict[tuple[str, str], dict[str, Any]] = {}
    # Traces of the service hold many findings of others, too: rows are made of its own only.
    for row in found.filter(is_own).select(_COLUMNS).to_pylist():
        key = (row["operation"], row["detector"])
        traces.setdefault(key, set()).add(join_trace_id(row["trace_hi"], row["trace_lo"]))
        saved[key] = saved.get(key, 0) + row["saving_ns"]
        known = worst.get(key)
        if known is None or _weight(row) > _weight(known):
            worst[key] = row
    reasons: dict[str, dict[str, Any]] = {}
    for key in sorted(traces, key=lambda key: (-len(traces[key]), -saved[key], key)):
        operation, detector = key
        row = worst[key]
        reasons.setdefault(
            operation,
            {
                "detector": detector,
                "severity": row["severity"],
                "summary": first_sentence(row["reason"]),
                "trace_count": len(traces[key]),
                "trace_id": trace_id_hex(join_trace_id(row["trace_hi"], row["trace_lo"])),
            },
        )
    return reasons


def _weight(row: dict[str, Any]) -> tuple[int, int, int]:
    return row["saving_ns"], row["trace_hi"], row["trace_lo"]
