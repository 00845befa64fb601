"""Why nothing matches: which condition removes everything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from longpole.analyzer.traceql import format_query
from longpole.model.query import TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader
from longpole.storage.search_ports import TraceOrder

MOST_CONDITIONS = 8
_ENOUGH = 1_000


def removals(reader: TraceReader, query: TraceQuery) -> list[dict[str, Any]]:
    """What to leave out of a query that matches nothing, so that it matches: a single condition
    (`q` is the rest of the query), else the time. `count` goes up to 1,000; `is_more` beyond."""
    found = []
    for place, condition in enumerate(query.conditions[:MOST_CONDITIONS]):
        rest = query.conditions[:place] + query.conditions[place + 1 :]
        counted = _count(reader, replace(query, conditions=rest))
        if counted["count"]:
            alone = format_query(replace(query, conditions=(condition,))).strip("{} ")
            text = format_query(replace(query, conditions=rest)) if rest else ""
            found.append({"without": alone, "q": text, **counted})
    if not found and not query.time.is_unbounded:
        counted = _count(reader, replace(query, time=TimeRange()))
        if counted["count"]:
            text = format_query(query) if query.conditions else ""
            found.append({"without": "time", "q": text, **counted})
    return found


def _count(reader: TraceReader, query: TraceQuery) -> dict[str, Any]:
    limited = replace(query, limit=_ENOUGH)
    answer = reader.search_traces(limited, TraceOrder.NEWEST, query.time)
    return {"count": answer.traces.num_rows, "is_more": answer.is_truncated}
