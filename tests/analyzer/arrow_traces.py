"""Traces as the columns that storage hands to the analyzer, and a feed made of them."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from longpole.model import columns
from longpole.model.ids import split_trace_id
from longpole.model.span_content import first_copies
from longpole.model.trace import Trace
from longpole.storage.ports import WHOLE_TRACE_COLUMNS, DerivedRows, TraceState, WholeTraces


def whole_traces(traces: Sequence[Trace], attributes: Sequence[str] = ()) -> WholeTraces:
    """These traces as a store would give them, each to become revision + 1."""
    rows = [
        {
            "row_id": place,
            "trace_hi": split_trace_id(one.trace_id)[0],
            "trace_lo": split_trace_id(one.trace_id)[1],
            "span_id": s.span_id,
            "parent_span_id": s.parent_span_id,
            "name": s.name,
            "kind": s.kind,
            "start_unix_nano": s.start_unix_nano,
            # As decoders subtract: unsigned, which wraps around.
            "duration_ns": (s.duration_ns + (1 << 63)) % (1 << 64) - (1 << 63),
            "status_code": s.status_code,
            "status_message": s.status_message,
            "service_name": s.service_name,
            **{
                key: str(given[key])
                for given in (s.resource.attributes, s.attributes)
                for key in attributes
                if key in given
            },
        }
        for one in sorted(traces, key=lambda t: t.trace_id)
        for place, s in enumerate(one.spans[kept] for kept in first_copies(one.spans))
    ]
    core = [columns.SPANS.field(name) for name in WHOLE_TRACE_COLUMNS]
    schema = pa.schema([*core, *(pa.field(key, pa.string()) for key in attributes)])
    states = tuple(
        TraceState(
            one.trace_id,
            one.revision + 1,
            len(one.spans),
            late=one.late,
            duplicates=len(one.spans) - len(first_copies(one.spans)),
            clocks=one.clocks,
        )
        for one in sorted(traces, key=lambda t: t.trace_id)
    )
    return WholeTraces(pa.Table.from_pylist(rows, schema=schema), pa.table({}), states)


class ListFeed:
    """A settle feed over a list of traces; keeps what was put."""

    def __init__(self, traces: Sequence[Trace]) -> None:
        self.waiting = list(traces)
        self.put: list[DerivedRows] = []

    def quiet_traces(self, limit: int, attributes: Sequence[str]) -> WholeTraces:
        return whole_traces(self.waiting[:limit], attributes)

    def put_derived(self, rows: DerivedRows) -> None:
        done = {state.trace_id for state in rows.settled}
        self.waiting = [one for one in self.waiting if one.trace_id not in done]
        self.put.append(rows)

    def pending_traces(self) -> int:
        return len(self.waiting)
