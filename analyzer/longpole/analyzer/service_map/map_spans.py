"""Reads the spans that a service map is made of: a fair sample of the traces, never more than can
be waited for.

    sample of ids ─▶ whole traces, batch by batch until there are enough spans ─▶ columns
                  ─▶ own time on the critical path of every span, from the compiled loops where
                     these are ready, else trace by trace
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longpole.analyzer.calls import DB_SYSTEM, MESSAGING_SYSTEM, PEER, RESEND_COUNT, URL
from longpole.analyzer.clock_shift import CLOCK
from longpole.analyzer.clocks.at_hand import clocks_of_traces
from longpole.analyzer.columnar.readiness import CORE, CompiledCore
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.explain import explain
from longpole.analyzer.findings.window.span_columns import SpanColumns, span_columns
from longpole.analyzer.path_spans import spans_of_whole_traces
from longpole.model.query import TraceQuery
from longpole.storage.ports import TraceReader, WholeTraces

Ints = npt.NDArray[np.int64]

DESTINATION = ("messaging.destination.name", "messaging.destination")
NAMESPACE = ("service.namespace",)
ATTRIBUTES: tuple[str, ...] = tuple(
    dict.fromkeys(
        (*PEER, *URL, *RESEND_COUNT, *CLOCK, *DB_SYSTEM, *MESSAGING_SYSTEM, *DESTINATION,
         *NAMESPACE, "db.namespace")
    )
)  # fmt: skip
# From so many traces on it pays to load the compiled loops.
_MANY_TRACES = 1_000


@dataclass(frozen=True, slots=True)
class Reach:
    """How much is read at most. The last batch may exceed `spans` by what it holds."""

    traces: int = 5_000
    spans: int = 200_000
    traces_a_read: int = 1_000


@dataclass(frozen=True, slots=True)
class MapSpans:
    """Spans of `used` of the `matched` traces; `critical_ns` is the own time on the critical path
    of each row of `spans`."""

    spans: SpanColumns
    critical_ns: Ints
    matched: int
    used: int
    notices: tuple[str, ...]


def map_spans(
    reader: TraceReader,
    query: TraceQuery,
    options: PathOptions | None,
    reach: Reach,
    core: CompiledCore = CORE,
) -> MapSpans:
    """The spans of a sample of the traces that match; `query.limit` does not apply."""
    sample = reader.sample_traces(query, reach.traces)
    if len(sample.trace_ids) >= _MANY_TRACES:
        core.start()
    parts: list[WholeTraces] = []
    critical: list[Ints] = [np.zeros(0, np.int64)]
    count = 0
    for begin in range(0, len(sample.trace_ids), reach.traces_a_read):
        if count >= reach.spans:
            break
        ids = sample.trace_ids[begin : begin + reach.traces_a_read]
        whole = reader.whole_traces(ids, ATTRIBUTES)
        parts.append(whole)
        critical.append(_critical_ns(whole, options, core))
        count += whole.spans.num_rows
    if not parts:
        parts = [reader.whole_traces((), ATTRIBUTES)]
    begin_ns, end_ns = query.time.start_unix_nano, query.time.end_unix_nano
    spans = span_columns(parts, begin_ns, end_ns)
    used = sum(len(part.traces) for part in parts)
    return MapSpans(spans, np.concatenate(critical), sample.matched, used, sample.notices)


def _critical_ns(whole: WholeTraces, options: PathOptions | None, core: CompiledCore) -> Ints:
    """The own time on the path of every row of `whole.spans`."""
    found = np.zeros(whole.spans.num_rows, np.int64)
    clocks = clocks_of_traces(whole)
    is_done: npt.NDArray[np.bool_] | None = None
    if core.is_ready:
        from longpole.analyzer.columnar.paths import batch_paths

        paths = batch_paths(whole, options, clocks)
        found[paths.batch.rows] = paths.segments.critical_ns
        if not paths.odd.size:
            return found
        is_done = paths.forest.odd == 0
    for place, (_, spans) in enumerate(spans_of_whole_traces(whole)):
        if is_done is not None and is_done[place]:
            continue
        explanation = explain(spans, options, clocks[place])
        rows = explanation.spans.rows
        for index, nanoseconds in explanation.critical_ns.items():
            found[rows[index]] = nanoseconds
    return found
