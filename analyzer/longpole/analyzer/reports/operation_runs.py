"""What the runs of one operation wait for, over time, from a fair sample of its traces.

A run is a span of the operation that no other span of it stands above. What it waits for are the
segments of the trace's critical path that belong to it or to a span below it:

    run      |-------------------------------|
    path     |own |  SELECT  |own| charge    |own|     owners: own code, postgresql, payment
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from longpole.analyzer.calls import DB_SYSTEM, PEER
from longpole.analyzer.labels import Label
from longpole.analyzer.red.window import RedWindow
from longpole.model.ids import join_trace_id, span_id_hex, trace_id_hex
from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.storage.ports import TraceReader
from longpole.storage.search_ports import TraceOrder

MOST_TRACES, MOST_SPANS, TRACES_A_READ = 240, 60_000, 40
MOST_SEGMENTS = 1_000  # of a trace
MOST_OWNERS, MOST_SLOW = 6, 8
# Of the slowest traces, whose slow runs are looked for.
MOST_SLOW_TRACES = 24
_PEERS = tuple(dict.fromkeys((*DB_SYSTEM, *PEER)))
_NETWORK = frozenset({Label.NET_REQUEST, Label.NET_RESPONSE})


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds time: a service, or what it waits for when that sends no spans of its own."""

    name: str
    is_own: bool = False
    is_rest: bool = False


NETWORK, BACKOFF, OTHERS = Owner("network"), Owner("wait before a retry"), Owner("", is_rest=True)


@dataclass(slots=True)
class _Run:
    """One run; `held` is the path time of each owner."""

    trace_id: int
    span_id: int
    start: int
    duration_ns: int
    held: Counter[Owner] = field(default_factory=Counter)

    def document(self) -> dict[str, Any]:
        return {
            "trace_id": trace_id_hex(self.trace_id),
            "span_id": span_id_hex(self.span_id),
            "start_unix_nano": self.start,
            "duration_ns": self.duration_ns,
        }


def operation_runs(
    reader: TraceReader, service: str, operation: str, window: RedWindow,
    slower_than_ns: int | None,
) -> dict[str, Any]:  # fmt: skip
    """`owners` with what each holds of the critical path below a run, most first, the smallest
    as one; `steps` with `runs` and the mean of each owner for a run, in the order of `owners`;
    the run of median duration (`typical`, None without runs); the slowest runs (`slow`), longer
    than `slower_than_ns` where any is, each with the verdict of its trace.

    `run_count` runs of `sampled` of `matched` traces are in it; `on_path` of these held time of a
    critical path. Traces that are not settled have no path yet.
    """
    query = TraceQuery(_conditions(service, operation), window.time, None)
    sample = reader.sample_traces(query, MOST_TRACES)
    runs: list[_Run] = []
    used = spans = 0
    for begin in range(0, len(sample.trace_ids), TRACES_A_READ):
        if spans >= MOST_SPANS:
            break
        ids = sample.trace_ids[begin : begin + TRACES_A_READ]
        found, count = _runs_of(reader, ids, service, operation, with_path=True)
        runs += (run for run in found if _is_inside(run, window))
        spans += count
        used += len(ids)
    owners = _most(runs)
    ranked = sorted(runs, key=lambda run: (run.duration_ns, run.start, run.trace_id))
    whole_ns = sum(sum(run.held.values()) for run in runs)
    return {
        "matched": sample.matched,
        "sampled": used,
        "run_count": len(runs),
        "on_path": sum(bool(run.held) for run in runs),
        "owners": [
            {
                "name": owner.name,
                "is_own": owner.is_own,
                "is_rest": owner.is_rest,
                "critical_ns": ns,
                "share": round(ns / whole_ns, 6) if whole_ns else 0.0,
            }
            for owner, ns in owners.items()
        ],
        "steps": _by_step(runs, list(owners), window),
        "typical": ranked[(len(ranked) - 1) // 2].document() if ranked else None,
        "slow": _slow_runs(reader, query, service, operation, window, slower_than_ns),
    }


def _conditions(service: str, operation: str) -> tuple[Condition, ...]:
    return (
        Condition(Field.SERVICE, Comparison.EQ, service),
        Condition(Field.NAME, Comparison.EQ, operation),
    )


def _is_inside(run: _Run, window: RedWindow) -> bool:
    return window.time.start_unix_nano <= run.start < window.time.end_unix_nano


def _most(runs: Iterable[_Run]) -> dict[Owner, int]:
    """The owners that hold most, then `OTHERS` for the rest."""
    held: Counter[Owner] = Counter()
    for run in runs:
        held.update(run.held)
    ranked = sorted(held.items(), key=lambda item: (-item[1], item[0].name))
    if len(ranked) <= MOST_OWNERS:
        return dict(ranked)
    first = ranked[: MOST_OWNERS - 1]
    return {**dict(first), OTHERS: sum(ns for _, ns in ranked[MOST_OWNERS - 1 :])}


def _by_step(
    runs: Iterable[_Run], owners: Sequence[Owner], window: RedWindow
) -> list[dict[str, Any]]:
    count = len(window.steps)
    held: list[Counter[Owner]] = [Counter() for _ in range(count)]
    ran = [0] * count
    for run in runs:
        step = (run.start - window.time.start_unix_nano) // window.step_ns
        ran[step] += 1
        for owner, ns in run.held.items():
            held[step][owner if owner in owners else OTHERS] += ns
    return [
        {"runs": n, "mean_ns": [here[owner] // n for owner in owners] if n else []}
        for n, here in zip(ran, held, strict=True)
    ]


def _slow_runs(
    reader: TraceReader, query: TraceQuery, service: str, operation: str, window: RedWindow,
    slower_than_ns: int | None,
) -> list[dict[str, Any]]:  # fmt: skip
    bounds: list[tuple[Condition, ...]] = [()]
    if slower_than_ns is not None:
        bounds.insert(0, (Condition(Field.DURATION, Comparison.GT, slower_than_ns),))
    for bound in bounds:
        asked = TraceQuery((*query.conditions, *bound), query.time, MOST_SLOW_TRACES)
        found = reader.search_traces(asked, TraceOrder.SLOWEST, window.time).traces.to_pylist()
        if found:
            break
    rows = {join_trace_id(row["trace_hi"], row["trace_lo"]): row for row in found}
    runs, _ = _runs_of(reader, tuple(rows), service, operation, with_path=False)
    runs = [run for run in runs if _is_inside(run, window)]
    runs.sort(key=lambda run: (-run.duration_ns, -run.start, run.trace_id))
    # One run of a trace: the others have the same verdict.
    chosen: dict[int, _Run] = {}
    for run in runs:
        chosen.setdefault(run.trace_id, run)
    return [
        {**run.document(), "verdict": rows[run.trace_id]["verdict"]}
        for run in list(chosen.values())[:MOST_SLOW]
    ]


def _runs_of(
    reader: TraceReader, trace_ids: Sequence[int], service: str, operation: str, *, with_path: bool
) -> tuple[list[_Run], int]:
    """Every run in these traces, and how many spans were read for it."""
    table = reader.whole_traces(trace_ids, _PEERS).spans
    by_trace: dict[int, dict[int, Mapping[str, Any]]] = {}
    for row in table.to_pylist():
        trace_id = join_trace_id(row["trace_hi"], row["trace_lo"])
        by_trace.setdefault(trace_id, {}).setdefault(row["span_id"], row)
    above = {
        trace_id: _run_above(spans, service, operation) for trace_id, spans in by_trace.items()
    }
    runs = {
        (trace_id, span_id): _Run(
            trace_id, span_id, spans[span_id]["start_unix_nano"], spans[span_id]["duration_ns"]
        )
        for trace_id, spans in by_trace.items()
        for span_id in sorted({run for run in above[trace_id].values() if run})
    }
    segments = reader.path_segments(trace_ids, MOST_SEGMENTS).to_pylist() if with_path else ()
    for segment in segments:
        trace_id = join_trace_id(segment["trace_hi"], segment["trace_lo"])
        run = runs.get((trace_id, above.get(trace_id, {}).get(segment["span_id"], 0)))
        if run is not None:
            span = by_trace[trace_id][segment["span_id"]]
            took = segment["end_unix_nano"] - segment["start_unix_nano"]
            run.held[_owner(segment, span, service)] += took
    return list(runs.values()), table.num_rows


def _run_above(
    spans: Mapping[int, Mapping[str, Any]], service: str, operation: str
) -> dict[int, int]:
    """The run that each span belongs to, 0 for none: the topmost span of the operation among
    itself and those above it. A circle of parents has no run."""
    known: dict[int, int] = {0: 0}
    for first in spans:
        way: list[int] = []
        at, seen = first, set[int]()
        while at not in known and at in spans and at not in seen:
            seen.add(at)
            way.append(at)
            at = spans[at]["parent_span_id"] or 0
        run = known.get(at, 0)
        for span_id in reversed(way):
            row = spans[span_id]
            if not run and (row["service_name"], row["name"]) == (service, operation):
                run = span_id
            known[span_id] = run
    return known


def _owner(segment: Mapping[str, Any], span: Mapping[str, Any], service: str) -> Owner:
    label = segment["label"]
    if label in _NETWORK:
        return NETWORK
    if label == Label.BACKOFF:
        return BACKOFF
    if label == Label.NET_WAIT:
        return Owner(next((span[key] for key in _PEERS if span.get(key)), "calls without spans"))
    return Owner(segment["service"], is_own=segment["service"] == service)
