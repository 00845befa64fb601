"""Spans that stand for the RED of their operation: the slowest of some steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from longpole.analyzer.promql.catalog import Exemplar, SeriesExemplars
from longpole.analyzer.promql.series import Labels, labels_of
from longpole.analyzer.promql_sources.step_grid import Grid, Key
from longpole.model.ids import span_id_hex, trace_id_hex
from longpole.model.timerange import TimeRange
from longpole.storage.ports import RedQuery, TraceReader

STEPS = 20
MOST_TRACES = 100
_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class ExemplarSpan:
    """A span and the key (service, operation, kind, status) that it counts for."""

    key: Key
    trace_id: int
    span_id: int
    end_unix_nano: int
    duration_ns: int


def exemplar_spans(
    reader: TraceReader, grid: Grid, is_wanted: Callable[[Key], bool],
    services: tuple[str, ...] = (), operation: str | None = None,
) -> list[ExemplarSpan]:  # fmt: skip
    """The slowest span of each wanted key in each of at most `STEPS` parts of the grid, of the
    newest `MOST_TRACES` traces."""
    begin = grid.start_ns + (grid.first - 1) * grid.step_ns
    end = grid.start_ns + grid.last * grid.step_ns
    step = grid.step_ns * max(1, -(-(end - begin) // (grid.step_ns * STEPS)))
    time = TimeRange(begin - begin % step, end - end % step + step)
    query = RedQuery(time, step, services, operation, by_operation=True, with_buckets=False)
    rows = reader.red_series(query).rows.to_pylist()
    chosen: dict[tuple[int, Key, int], None] = {}
    traces: dict[int, None] = {}
    for row in reversed(rows):
        key = tuple(str(row[name]) for name in ("service", "operation", "kind", "status_code"))
        if row["exemplar_lo"] is None or not is_wanted(key):
            continue
        trace_id = row["exemplar_hi"] << 64 | row["exemplar_lo"]
        if trace_id in traces or len(traces) < MOST_TRACES:
            traces[trace_id] = None
            chosen[(trace_id, key, row["step_unix_nano"])] = None
    if not traces:
        return []
    slowest: dict[tuple[int, Key, int], ExemplarSpan] = {}
    for span in reader.whole_traces(list(traces), ()).spans.to_pylist():
        one = _span(span)
        place = (one.trace_id, one.key, one.end_unix_nano - one.end_unix_nano % step)
        known = slowest.get(place)
        is_inside = place in chosen and begin < one.end_unix_nano <= end
        if is_inside and (known is None or one.duration_ns > known.duration_ns):
            slowest[place] = one
    return list(slowest.values())


def _span(row: dict[str, Any]) -> ExemplarSpan:
    key = (row["service_name"], row["name"], str(row["kind"]), str(row["status_code"]))
    return ExemplarSpan(
        key, row["trace_hi"] << 64 | row["trace_lo"], row["span_id"],
        row["start_unix_nano"] + row["duration_ns"], row["duration_ns"],
    )  # fmt: skip


def series_exemplars(
    spans: Iterable[ExemplarSpan],
    places: Callable[[ExemplarSpan], Iterable[tuple[Labels, float]]],
) -> list[SeriesExemplars]:
    """Exemplars by series, oldest first. The trace is named in both ways that are in use."""
    found: dict[Labels, list[Exemplar]] = {}
    for one in spans:
        trace = trace_id_hex(one.trace_id)
        told = labels_of({"trace_id": trace, "traceID": trace, "span_id": span_id_hex(one.span_id)})
        for labels, value in places(one):
            at = one.end_unix_nano // _MS
            found.setdefault(labels, []).append(Exemplar(told, value, at))
    return [
        SeriesExemplars(labels, tuple(sorted(kept, key=lambda e: e.time_ms)))
        for labels, kept in found.items()
    ]
