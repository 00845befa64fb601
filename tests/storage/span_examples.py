"""Spans to store, and the plainest derived rows that an analyzer could make of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from longpole.formats.rows import telemetry_of_spans
from longpole.model import columns
from longpole.model.clock import ManualClock
from longpole.model.ids import split_trace_id
from longpole.model.query import Condition, TraceQuery
from longpole.model.span import Resource, Scope, Span, SpanEvent, SpanLink
from longpole.model.span_content import span_content
from longpole.model.telemetry import Telemetry
from longpole.storage.ports import DerivedRows, Store, WholeTraces

SECOND = 1_000_000_000
NOON = 1_700_000_000 * SECOND
HIGH = 0xFEDCBA9876543210 << 64


def span(trace: int, number: int, parent: int = 0, **fields: Any) -> Span:
    """Span `number` of trace `trace`: starts that many milliseconds after its trace."""
    start = NOON + trace * SECOND + number * 1_000_000
    values: dict[str, Any] = {
        "name": f"op{number}",
        "kind": 2,
        "start_unix_nano": start,
        "end_unix_nano": start + (100 - number) * 1_000_000,
        "service_name": "shop",
        "resource": Resource({"service.name": fields.get("service_name", "shop"), "zone": "a"}),
        "scope": Scope("lib", "1.0", {"lang": "python"}),
    }
    return Span(HIGH | trace, number, parent, **(values | fields))


RICH = span(
    1,
    1,
    name="naïve \u2603",
    status_code=2,
    status_message="broke",
    trace_state="a=b",
    flags=257,
    dropped_attributes_count=1,
    dropped_events_count=2,
    dropped_links_count=3,
    attributes={
        "text": "x",
        "int": -(1 << 63),
        "double": 0.1,
        "inf": float("inf"),
        "yes": True,
        "no": False,
        "bytes": b"\x00\xff",
        "list": ["a", 1, 2.5, None],
        "map": {"k": {"deep": [True]}},
        "empty": None,
        "": "empty key",
        "Text": "another case",
    },
    events=(
        SpanEvent(5, "first", {"n": 1}, 4),
        SpanEvent(5, "second", {"n": "one"}),
        SpanEvent(NOON, "third"),
    ),
    links=(SpanLink(HIGH | 7, 8, "c=d", {"why": "retry"}, 1, 1), SpanLink(9, 10)),
    resource=Resource({"service.name": "shop", "zone": "a", "port": 80}, 2, "https://schema/1"),
    scope=Scope("lib", "2", {"lang": "python"}, 1, "https://schema/1"),
)


def submit(store: Store, telemetry: Telemetry) -> int:
    """Keep a request and wait until it is durable; its sequence number."""
    return store.submit(telemetry, NOON).result(timeout=30).sequence_number


def submit_spans(store: Store, *spans: Span) -> int:
    return submit(store, telemetry_of_spans(spans))


def contents(spans: Sequence[Span]) -> list[str]:
    return sorted(repr(span_content(one)) for one in spans)


def settle(store: Store, clock: ManualClock, limit: int = 1000) -> WholeTraces:
    """Let everything fall quiet and put plain derived rows: a root that is one segment."""
    clock.advance(6)
    whole = store.quiet_traces(limit, ())
    store.put_derived(derived_of(whole))
    return whole


def put_finding(store: Store, clock: ManualClock, detectors: dict[int, str]) -> None:
    """Let everything fall quiet and put plain derived rows, with a finding of one of these
    detectors in each of these traces."""
    clock.advance(6)
    whole = store.quiet_traces(1000, ())
    rows = derived_of(whole)
    findings = []
    for state in whole.traces:
        if state.trace_id in detectors:
            hi, lo = split_trace_id(state.trace_id)
            findings.append(
                {"trace_hi": hi, "trace_lo": lo, "revision": state.revision,
                 "detector": detectors[state.trace_id], "severity": "warning", "service": "shop",
                 "operation": "op", "span_ids": [2], "reason": "r", "action": "a",
                 "saving_ns": 7, "fingerprint": "f", "first_seen_unix_nano": NOON}
            )  # fmt: skip
    table = pa.Table.from_pylist(findings, schema=columns.FINDINGS)
    store.put_derived(DerivedRows(rows.settled, {**rows.tables, "findings": table}))


def put_red(store: Store, clock: ManualClock, counts: dict[int, tuple[str, int, int]]) -> None:
    """Let everything fall quiet and put plain derived rows, with RED of an operation, a step and
    a count for each of these traces: every span took 10 ns, and one of each trace failed."""
    clock.advance(6)
    whole = store.quiet_traces(1000, ())
    rows = derived_of(whole)
    red = []
    for state in whole.traces:
        if state.trace_id in counts:
            hi, lo = split_trace_id(state.trace_id)
            operation, step, count = counts[state.trace_id]
            red.append(
                {"trace_hi": hi, "trace_lo": lo, "revision": state.revision,
                 "step_unix_nano": NOON + step * columns.RED_STEP_NS, "service": "shop",
                 "operation": operation, "kind": 2, "status_code": 0, "count": count, "errors": 1,
                 "duration_sum_ns": 10 * count, "bucket_counts": [0, count, *[0] * 15],
                 "critical_ns": count}
            )  # fmt: skip
    table = pa.Table.from_pylist(red, schema=columns.RED)
    store.put_derived(DerivedRows(rows.settled, {**rows.tables, "red": table}))


def derived_of(whole: WholeTraces) -> DerivedRows:
    traces, segments = [], []
    by_trace: dict[int, list[dict[str, Any]]] = {}
    for row in whole.spans.to_pylist():
        by_trace.setdefault(row["trace_hi"] << 64 | row["trace_lo"], []).append(row)
    for state in whole.traces:
        rows = by_trace[state.trace_id]
        root = min(rows, key=lambda r: (r["parent_span_id"] != 0, -r["duration_ns"]))
        hi, lo = split_trace_id(state.trace_id)
        key = {"trace_hi": hi, "trace_lo": lo, "revision": state.revision,
               "root_service": root["service_name"], "root_operation": root["name"]}  # fmt: skip
        known = {r["span_id"] for r in rows}
        traces.append(
            key
            | {
                "root_span_id": root["span_id"],
                "start_unix_nano": root["start_unix_nano"],
                "duration_ns": root["duration_ns"],
                "span_count": len(rows),
                "error_count": sum(r["status_code"] == 2 for r in rows),
                "service_count": len({r["service_name"] for r in rows}),
                "orphans": sum(r["parent_span_id"] not in {0, *known} for r in rows),
                "headless": all(r["parent_span_id"] for r in rows),
                "late": state.late,
                "skew_shifts": 0,
                "detached": 0,
                "ambiguous_ns": 0,
                "verdict": f"all in {root['name']}",
                "clocks": f"clocks of revision {state.revision}",
            }
        )
        middle = root["start_unix_nano"] + root["duration_ns"] // 3
        for start, end, label, peer in (
            (root["start_unix_nano"], middle, "self", None),
            (middle, root["start_unix_nano"] + root["duration_ns"], "net_wait", "db"),
        ):
            segments.append(
                key
                | {
                    "span_id": root["span_id"],
                    "service": root["service_name"],
                    "operation": root["name"],
                    "peer_service": peer,
                    "call_path_id": 1,
                    "label": label,
                    "start_unix_nano": start,
                    "end_unix_nano": end,
                }
            )
    tables = {
        "traces": pa.Table.from_pylist(traces, schema=columns.TRACES),
        "path_segments": pa.Table.from_pylist(segments, schema=columns.PATH_SEGMENTS),
    }
    return DerivedRows(whole.traces, tables)


def found(store: Store, *conditions: Condition, **fields: Any) -> list[int]:
    """Numbers of the matching traces, in the order given back."""
    answer = store.find_traces(TraceQuery(conditions, **fields))
    return [row & 0xFFFF for row in answer.traces["trace_lo"].to_pylist()]
