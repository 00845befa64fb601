"""The service map: services and whom they call, with calls, errors, durations and shares of the
critical path.

Made from a sample of the traces that match (see `MapSpans`), so that it takes no longer
than a few seconds however many there are; counts are those of the sample, rates are scaled to all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from longpole.analyzer.columnar.readiness import CORE, CompiledCore
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.findings.window.span_columns import SpanColumns
from longpole.analyzer.service_map.excerpt import MOST_NODES, around, by_namespace
from longpole.analyzer.service_map.figures import (
    Figures,
    entry_figures,
    figures,
    path_shares,
)
from longpole.analyzer.service_map.map_spans import NAMESPACE, MapSpans, Reach, map_spans
from longpole.analyzer.service_map.reached import NodeKind, Reached, reached
from longpole.analyzer.traceql import format_query
from longpole.model.ids import span_id_hex, trace_id_hex
from longpole.model.query import TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_EVER = TimeRange()
_DEFAULT_REACH = Reach()


def service_map_report(
    reader: TraceReader,
    query: TraceQuery,
    focus: str | None = None,
    options: PathOptions | None = None,
    *,
    reach: Reach = _DEFAULT_REACH,
    core: CompiledCore = CORE,
    now_unix_nano: int | None = None,
) -> dict[str, Any]:
    """Nodes, those where traces begin and the busiest first, and edges, those with most of the
    critical path first.

    With `focus` (the id or the name of a node) what is at most two calls away from it; `focus`
    in the document is None when there is no such node. `clusters` has one node for each
    namespace when there are more nodes than a picture can hold, and is None otherwise. A time
    without end ends at `now_unix_nano` for rates, if spans say that they end later.
    """
    read = map_spans(reader, query, options, reach, core)
    found = reached(read.spans)
    nodes, edges = _document(read, found, _per_second(read, query, now_unix_nano))
    chosen = None
    node_count, edge_count = len(nodes), len(edges)
    if focus is not None:
        chosen = next((n["id"] for n in nodes if focus in (n["id"], n["name"])), None)
        if chosen is not None:
            nodes, edges = around(nodes, edges, chosen)  # type: ignore[assignment]
    clusters = None
    if len(nodes) > MOST_NODES:
        grouped, joined = by_namespace(nodes, edges)
        clusters = {"nodes": grouped, "edges": joined}
    return {
        "query": format_query(query),
        "coverage": {
            "matched": read.matched,
            "used": read.used,
            "spans": len(read.spans),
            "unnamed_calls": found.unnamed_calls,
        },
        "critical_ns": int(read.critical_ns.sum()),
        "node_count": node_count,
        "edge_count": edge_count,
        "focus": chosen,
        "nodes": nodes,
        "edges": edges,
        "clusters": clusters,
        "notices": [*read.notices, *_notices(read, focus, chosen)],
    }


def _notices(read: MapSpans, focus: str | None, chosen: str | None) -> list[str]:
    notices = []
    if read.used < read.matched:
        notices.append(
            f"drawn from {read.used:,} of {read.matched:,} traces, chosen by chance: a call that "
            "is rarer than one in some thousand traces may be missing"
        )
    if focus is not None and chosen is None:
        notices.append("there is no service or peer of that name in these traces")
    return notices


def _per_second(read: MapSpans, query: TraceQuery, now_unix_nano: int | None) -> float:
    """What a count has to be multiplied by for a rate: of all traces, over the time asked for (an
    open end of it is where the spans end, or now if one of them has a clock that is ahead); 0
    where there is no time to speak of."""
    if not len(read.spans) or not read.used:
        return 0.0
    begin, end = query.time.start_unix_nano, query.time.end_unix_nano
    if begin == _EVER.start_unix_nano:
        begin = int(read.spans.starts.min())
    if end == _EVER.end_unix_nano:
        end = int(read.spans.ends.max())
        if now_unix_nano is not None and begin < now_unix_nano < end:
            end = now_unix_nano
    seconds = (end - begin) / 1e9
    return read.matched / read.used / seconds if seconds > 0 else 0.0


def _document(
    read: MapSpans, found: Reached, per_second: float
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    spans, calls = read.spans, found.calls
    count = len(found.nodes.numbers)
    shares = path_shares(spans, found, read.critical_ns)
    # One edge for each pair of nodes and manner of calling.
    keys = (calls.source * count + calls.target) * 2 + calls.is_async
    pairs, places = np.unique(keys, return_inverse=True)
    of_edges = figures(places, calls.duration_ns, calls.is_error, len(pairs))
    critical = np.zeros(len(pairs), np.int64)
    np.add.at(critical, places, shares.of_calls)
    callees = np.zeros(len(pairs), np.int64)
    np.add.at(callees, places, shares.of_callees)
    entered = entry_figures(spans, found)
    called = figures(calls.target, calls.duration_ns, calls.is_error, count)
    names = list(found.nodes.numbers)
    ids = [f"{kind}:{name}" for kind, name in names]
    edges = [
        {
            "from": ids[pair // 2 // count],
            "to": ids[pair // 2 % count],
            "kind": "async" if pair % 2 else "sync",
            **_figures(of_edges, number, per_second),
            **_share(int(critical[number]), shares.total),
            **_callee_share(int(callees[number]), shares.total),
            "examples": _examples(spans, calls.rows, of_edges, number),
        }
        for number, pair in enumerate(pairs.tolist())
    ]
    namespaces = _namespaces(spans, found)
    roots = np.bincount(found.service[spans.parents < 0], minlength=count)
    nodes = []
    for number, (kind, name) in enumerate(names):
        of_node = entered if entered.calls[number] else called
        if not of_node.calls[number]:
            continue
        nodes.append(
            {
                "id": ids[number],
                "name": name,
                "kind": str(kind),
                "system": found.nodes.systems.get(number, ""),
                "namespace": namespaces.get(number, ""),
                "is_instrumented": kind is NodeKind.SERVICE and bool(entered.calls[number]),
                "traces_begun": int(roots[number]),
                "begun_critical_ns": int(shares.of_roots[number]),
                **_figures(of_node, number, per_second),
                **_share(int(shares.of_nodes[number]), shares.total),
            }
        )
    nodes.sort(key=lambda n: (-n["traces_begun"], -n["calls"], n["id"]))
    edges.sort(key=lambda e: (-e["critical_ns"], -e["calls"], e["from"], e["to"], e["kind"]))
    return nodes, edges


def _figures(of: Figures, number: int, per_second: float) -> dict[str, Any]:
    calls, errors = int(of.calls[number]), int(of.errors[number])
    return {
        "calls": calls,
        "calls_per_second": round(calls * per_second, 6),
        "errors": errors,
        "error_share": round(errors / calls, 6) if calls else 0.0,
        "p50_ns": int(of.p50_ns[number]),
        "p95_ns": int(of.p95_ns[number]),
    }


def _share(critical_ns: int, total: int) -> dict[str, Any]:
    # A call that leads back to where it came from counts on each level.
    share = min(1.0, critical_ns / total) if total else 0.0
    return {"critical_ns": critical_ns, "critical_share": round(share, 6)}


def _callee_share(critical_ns: int, total: int) -> dict[str, Any]:
    share = min(1.0, critical_ns / total) if total else 0.0
    return {"callee_critical_ns": critical_ns, "callee_critical_share": round(share, 6)}


def _examples(spans: SpanColumns, rows: Ints, of: Figures, number: int) -> list[dict[str, str]]:
    """The slowest call, one in the middle and the slowest that failed, each once."""
    found: dict[tuple[str, str], str] = {}
    for word, place in (
        ("slowest", of.slowest[number]), ("failed", of.failed[number]),
        ("typical", of.typical[number]),
    ):  # fmt: skip
        if place >= 0:
            row = int(rows[place])
            trace_id = spans.trace_ids[int(spans.trace[row])]
            key = trace_id_hex(trace_id), span_id_hex(int(spans.span_ids[row]))
            found.setdefault(key, word)
    return [
        {"which": word, "trace_id": trace, "span_id": span} for (trace, span), word in found.items()
    ]


def _namespaces(spans: SpanColumns, found: Reached) -> Mapping[int, str]:
    """The namespace of each service that names one; of several the one of most spans."""
    words = spans.words(*NAMESPACE)
    has = words.codes >= 0
    if not has.any():
        return {}
    pairs = np.stack([found.service[has], words.codes[has]])
    unique, counts = np.unique(pairs, axis=1, return_counts=True)
    result: dict[int, str] = {}
    for place in np.argsort(counts, kind="stable").tolist():
        result[int(unique[0, place])] = words.texts[int(unique[1, place])]
    return result
