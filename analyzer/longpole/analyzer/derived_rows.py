"""Derived rows: explanations as the columns of `traces`, `path_segments`, `findings`, `red`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, TypeAlias

import pyarrow as pa

from longpole.analyzer.call_path import call_path_ids
from longpole.analyzer.clock_shift import clocks_text
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.detect import detect
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.labels import Label
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.repair import repair
from longpole.analyzer.verdict import line_of
from longpole.model import columns
from longpole.model.finding import Finding
from longpole.model.ids import split_trace_id
from longpole.model.span import StatusCode
from longpole.storage.ports import DerivedRows, TraceState

_Row: TypeAlias = tuple[Any, ...]
_DEFAULTS = Thresholds()
UNEXPLAINED = "could not be analysed; see the server's log"  # in place of a verdict
NOT_LOOKED_INTO = "not looked into, too much came in at once; its page works it out"


class FindingRows:
    """Collects the rows of `findings`."""

    def __init__(self) -> None:
        self._rows: list[_Row] = []

    def add(self, state: TraceState, e: Explanation, findings: Sequence[Finding]) -> None:
        """What was found in one trace."""
        key = (*split_trace_id(state.trace_id), state.revision)
        self._rows += [
            (
                *key,
                f.detector,
                str(f.severity),
                f.service,
                f.operation,
                list(f.span_ids),
                f.reason,
                f.action,
                f.saving_ns,
                f.fingerprint,
                e.start_unix_nano,
            )
            for f in findings
        ]

    def table(self) -> pa.Table:
        """All rows so far."""
        return _table(self._rows, columns.FINDINGS)


class DerivedColumns:
    """Collects the rows of many traces and turns them into tables once."""

    def __init__(self, thresholds: Thresholds = _DEFAULTS) -> None:
        self._thresholds = thresholds
        self._traces: list[_Row] = []
        self._segments: list[_Row] = []
        self._findings = FindingRows()
        self._red: list[_Row] = []

    def add(self, state: TraceState, e: Explanation) -> Sequence[Finding]:
        """The rows of one explained trace; all of them or, if this raises, none. Gives back what
        was found in it."""
        key = (*split_trace_id(state.trace_id), state.revision)
        spans, has_root = e.spans, e.root >= 0
        root_service = spans.services[e.root] if has_root else ""
        root_operation = spans.names[e.root] if has_root else ""
        done = e.completeness
        findings = detect(e, self._thresholds)
        trace_row = (
            *key,
            spans.span_ids[e.root] if has_root else 0,
            root_service,
            root_operation,
            e.start_unix_nano,
            e.duration_ns,
            len(spans),
            e.error_count,
            e.service_count,
            done.orphans,
            done.headless,
            state.late,
            done.skew_shifts,
            done.detached,
            e.ambiguous_ns,
            line_of(e, findings),
            clocks_text(e.clocks),
        )
        chains = call_path_ids(spans, e.tree, e.path.visited)
        segment_rows = [
            (
                *key,
                root_service,
                root_operation,
                spans.span_ids[s.span],
                spans.services[s.span],
                spans.names[s.span],
                s.peer,
                chains[s.span],
                str(s.label),
                s.start_unix_nano,
                s.end_unix_nano,
            )
            for s in e.segments
        ]
        red_rows = _red_rows(key, spans, e.critical_ns)
        self._traces.append(trace_row)
        self._segments.extend(segment_rows)
        self._findings.add(state, e, findings)
        self._red.extend(red_rows)
        return findings

    def add_unexplained(self, state: TraceState, sent: PathSpans) -> None:
        """The rows of a trace that could not be analysed: its longest span without a parent,
        else its longest span, as one `self` segment. Needs nothing of the analysis but usable
        times."""
        key = (*split_trace_id(state.trace_id), state.revision)
        spans, _ = repair(sent)
        starts, ends = spans.starts, spans.ends
        everyone = range(len(spans))
        true_roots = [i for i in everyone if not spans.parent_ids[i]]
        root = min(true_roots or everyone, key=lambda i: (starts[i] - ends[i], starts[i], i))
        service, operation = spans.services[root], spans.names[root]
        span_id, start, end = spans.span_ids[root], starts[root], ends[root]
        self._traces.append(
            (
                *key, span_id, service, operation, start, end - start, len(spans),
                spans.status_codes.count(StatusCode.ERROR), len(set(spans.services)),
                0, not true_roots, state.late, 0, 0, 0,
                UNEXPLAINED, "",
            )
        )  # fmt: skip
        if end > start:
            self._segments.append(
                (
                    *key, service, operation, span_id, service, operation, None, 0,
                    str(Label.SELF), start, end,
                )
            )  # fmt: skip
        self._red.extend(_red_rows(key, spans, {root: end - start}))

    def rows(self, settled: tuple[TraceState, ...]) -> DerivedRows:
        """The tables of `columns.DERIVED_TABLES` for the traces of `settled`."""
        return DerivedRows(
            settled,
            {
                "traces": _table(self._traces, columns.TRACES),
                "path_segments": _table(self._segments, columns.PATH_SEGMENTS),
                "findings": self._findings.table(),
                "red": _table(self._red, columns.RED),
            },
        )


def _table(rows: list[_Row], schema: pa.Schema) -> pa.Table:
    if not rows:
        return schema.empty_table()
    values = zip(*rows, strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(values, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _red_rows(key: _Row, spans: PathSpans, critical_ns: dict[int, int]) -> list[_Row]:
    """Rate, errors and durations by step, service, operation, kind and status.

    Spans of every kind count, those of orphan and detached trees included; only the primary
    path gives critical time, so `critical_ns` of a trace adds up to its root's duration.
    """
    groups: dict[tuple[int, str, str, int, int], list[Any]] = {}
    for i, end in enumerate(spans.ends):
        step = max(end - end % columns.RED_STEP_NS, -(1 << 63))
        status = spans.status_codes[i]
        group = (step, spans.services[i], spans.names[i], spans.kinds[i], status)
        known = groups.get(group)
        if known is None:
            known = groups[group] = [0, 0, [0] * (len(columns.RED_BOUNDS_NS) + 1), 0]
        duration = end - spans.starts[i]
        known[0] += 1
        known[1] += duration
        known[2][bisect_left(columns.RED_BOUNDS_NS, duration)] += 1
        known[3] += critical_ns.get(i, 0)
    return [
        (
            *key,
            *group,
            count,
            count if group[4] == StatusCode.ERROR else 0,
            min(duration_sum, (1 << 63) - 1),
            buckets,
            critical,
        )
        for group, (count, duration_sum, buckets, critical) in groups.items()
    ]
