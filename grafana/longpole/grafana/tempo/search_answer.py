"""Found traces as Tempo's search shows them.

The plugin decodes this with strict jsonpb: a field that the protocol does not know fails the whole
answer, and 64-bit numbers are strings. See tempo.proto, `SearchResponse`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from longpole.analyzer.traceql.columns import Kind, Value, shown
from longpole.analyzer.traceql.searching import Found, FoundSet, FoundSpan, FoundTrace
from longpole.analyzer.traceql.spansets import Note

_NS_PER_MS = 10**6
_MOST_MS = 2**32 - 1  # a uint32 in the protocol
_U64 = 2**64


def search_answer(found: Found) -> dict[str, Any]:
    """The document. Jobs say whether every trace that could match was looked at."""
    total = 1 if found.is_complete else 2
    return {
        "traces": [_trace(trace) for trace in found.traces],
        "metrics": {
            "inspectedTraces": found.looked_at,
            "inspectedSpans": str(found.spans_looked_at),
            "completedJobs": 1,
            "totalJobs": total,
        },
    }


def any_value(kind: Kind, value: Value) -> dict[str, Any]:
    """A value as OTLP's AnyValue in JSON; status and kind by their names, nil as the text nil."""
    if kind in (Kind.INT, Kind.DURATION):
        return {"intValue": str(value)}
    if kind is Kind.FLOAT:
        number = float(value or 0)
        return {"doubleValue": number if number - number == 0 else _odd(number)}
    if kind is Kind.BOOL:
        return {"boolValue": bool(value)}
    return {"stringValue": shown(kind, value)}


def key_values(notes: Sequence[Note]) -> list[dict[str, Any]]:
    """Labels with their values."""
    return [{"key": key, "value": any_value(kind, value)} for key, kind, value in notes]


def _odd(number: float) -> str:
    return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"


def _trace(trace: FoundTrace) -> dict[str, Any]:
    sets = [_set(found) for found in trace.sets]
    return {
        "traceID": f"{trace.trace_id:032x}",
        "rootServiceName": trace.root_service,
        "rootTraceName": trace.root_name,
        "startTimeUnixNano": str(trace.start_unix_nano % _U64),
        "durationMs": min(max(0, trace.duration_ns) // _NS_PER_MS, _MOST_MS),
        "spanSets": sets,
        "spanSet": sets[0],
        "serviceStats": {
            name: {"spanCount": stats.span_count, "errorCount": stats.error_count}
            for name, stats in trace.services.items()
        },
    }


def _set(found: FoundSet) -> dict[str, Any]:
    document: dict[str, Any] = {
        "spans": [_span(span) for span in found.spans],
        "matched": found.matched,
    }
    if found.notes:
        document["attributes"] = key_values(found.notes)
    return document


def _span(span: FoundSpan) -> dict[str, Any]:
    document: dict[str, Any] = {
        "spanID": f"{span.span_id:016x}",
        "name": span.name,
        "startTimeUnixNano": str(span.start_unix_nano % _U64),
        "durationNanos": str(max(0, span.duration_ns)),
    }
    if span.attributes:
        document["attributes"] = key_values(span.attributes)
    return document
