"""The list of matching log records."""

from __future__ import annotations

import json
from typing import Any

from longpole.analyzer.correlation.log_lines import level_of
from longpole.model.ids import join_trace_id, span_id_hex, trace_id_hex
from longpole.model.query import LogQuery
from longpole.storage.ports import TraceReader


def logs_report(
    reader: TraceReader, query: LogQuery, *, is_newest_first: bool = False
) -> dict[str, Any]:
    """The newest matching records, `query.limit` at most, oldest of these first as in a log file
    unless `is_newest_first`. `is_truncated`: older ones match too."""
    found = reader.find_logs(query)
    records = [_record(row) for row in found.logs.to_pylist()]
    if not is_newest_first:
        records.reverse()
    return {
        "limit": query.limit,
        "logs": records,
        "is_truncated": found.is_truncated,
        "notices": list(found.notices),
    }


def _record(row: dict[str, Any]) -> dict[str, Any]:
    trace_id = join_trace_id(row["trace_hi"], row["trace_lo"])
    return {
        "time_unix_nano": row["time_unix_nano"],
        "level": level_of(row["severity_number"] or 0, row["severity_text"] or ""),
        "severity_number": row["severity_number"] or 0,
        "severity_text": row["severity_text"] or "",
        "service": row["service_name"],
        "body": row["body"] or "",
        "event_name": row["event_name"] or "",
        "trace_id": trace_id_hex(trace_id) if trace_id else None,
        "span_id": span_id_hex(row["span_id"]) if row["span_id"] else None,
        "attributes": _object(row["attributes"]),
        "resource": _object(row["resource"]),
    }


def _object(text: str | None) -> dict[str, Any]:
    """Attributes as an object; they were written by us, but may be missing."""
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
