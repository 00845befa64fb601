"""The report of how one trace differs from another, or from what is typical for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from longpole.analyzer.compare.cells import trace_cells
from longpole.analyzer.compare.merged_tree import (
    Figures,
    MergedNode,
    SidePaths,
    mean_duration_ns,
    merged_tree,
)
from longpole.analyzer.compare.sample import Names, sample_of
from longpole.analyzer.compare.terms import SideTotals, Term, side_totals, terms, whole_nanoseconds
from longpole.analyzer.compare.trace_verdict import verdict_of_two
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.detect import detect
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.reports.compare_verdict import kind_in_words
from longpole.analyzer.reports.trace_report import segment_document
from longpole.analyzer.reports.typical_traces import Typical, typical_traces
from longpole.analyzer.reports.unsettled import explanations
from longpole.analyzer.verdict import line_of
from longpole.analyzer.wording import counted, named
from longpole.model.ids import span_id_hex, trace_id_hex
from longpole.storage.ports import TraceReader

_DEFAULTS = Thresholds()


@dataclass(frozen=True, slots=True)
class TraceSide:
    """One side: the traces whose mean it is, of which `shown` is drawn as an example."""

    name: str
    traces: Sequence[Explanation]
    shown: Explanation
    typical: Typical | None = None


def side_of_trace(name: str, explanation: Explanation) -> TraceSide:
    """A side that is one trace."""
    return TraceSide(name, (explanation,), explanation)


def typical_side(
    reader: TraceReader, explanation: Explanation, options: PathOptions | None = None
) -> TraceSide | None:
    """The side of what is typical for a trace; None when no other trace of its root is kept."""
    chosen = typical_traces(reader, explanation)
    found = (
        [e for e in explanations(reader, chosen.trace_ids, options) if e.root >= 0]
        if chosen
        else []
    )
    if chosen is None or not found:
        return None
    shown = next((e for e in found if e.trace_id == chosen.median), found[0])
    return TraceSide("typical", found, shown, chosen)


def compare_traces_report(
    base: TraceSide, head: TraceSide, thresholds: Thresholds = _DEFAULTS
) -> dict[str, Any]:
    """Head against base. Over `terms`, and over `nodes` again, `difference_ns` adds up to
    `compared.difference_ns` to the nanosecond.

    `nodes` is the tree of both by call path, depth first, those that differ most first among
    their siblings; a node's parent is the last one before it of a depth one less.
    """
    sides = (base, head)
    paths = [SidePaths(), SidePaths()]
    for side, into in zip(sides, paths, strict=True):
        for explanation in side.traces:
            into.add(explanation)
    before, after = (mean_duration_ns(one) for one in paths)
    names = Names()
    totals = _totals(base, names), _totals(head, names)
    split = terms(totals[0], totals[1], names.operations) if all(t.traces for t in totals) else []
    amounts = whole_nanoseconds([term.difference_ns for term in split], after - before)
    told = [
        replace(term, difference_ns=Fraction(amount))
        for term, amount in zip(split, amounts, strict=True)
    ]
    places = {operation: place for place, operation in enumerate(names.operations)}
    line = verdict_of_two(told, totals, places, (before, after), (base.name, head.name))
    return {
        "base": _side(base, before, thresholds),
        "head": _side(head, after, thresholds),
        "compared": {"base_ns": before, "head_ns": after, "difference_ns": after - before},
        "verdict_line": line,
        "terms": [_term(term) for term in told if term.difference_ns],
        "nodes": [_node(node) for node in merged_tree(paths[0], paths[1])],
        "notices": _notices(base, head),
    }


def _totals(side: TraceSide, names: Names) -> SideTotals:
    # Two traces are compared as they are, whatever they are called: as one kind of request.
    cells = [replace(trace_cells(e), root=("", "")) for e in side.traces if e.root >= 0]
    return side_totals(sample_of(cells, names))


def _side(side: TraceSide, mean_ns: int, thresholds: Thresholds) -> dict[str, Any]:
    e, typical = side.shown, side.typical
    has_root = e.root >= 0
    return {
        "name": side.name,
        "trace_id": trace_id_hex(e.trace_id),
        "start_unix_nano": e.start_unix_nano,
        "duration_ns": e.duration_ns,
        "mean_ns": mean_ns,
        "span_count": len(e.spans),
        "error_count": e.error_count,
        "root": {
            "span_id": span_id_hex(e.spans.span_ids[e.root]) if has_root else None,
            "service": e.spans.services[e.root] if has_root else None,
            "operation": e.spans.names[e.root] if has_root else None,
        },
        "settled": e.completeness.settled,
        "verdict_line": line_of(e, detect(e, thresholds)),
        "segments": [segment_document(e, segment) for segment in e.segments],
        "typical": None if typical is None else {
            "trace_ids": [trace_id_hex(one.trace_id) for one in side.traces],
            "looked_at": typical.looked_at,
            "median_ns": typical.median_ns,
            "start_unix_nano": typical.time.start_unix_nano,
            "end_unix_nano": typical.time.end_unix_nano,
        },
    }  # fmt: skip


def _term(term: Term) -> dict[str, Any]:
    amount = int(term.difference_ns)
    return {
        "kind": str(term.kind),
        "words": kind_in_words(term.kind, amount >= 0),
        "service": term.operation[0],
        "operation": term.operation[1],
        "difference_ns": amount,
    }


def _node(node: MergedNode) -> dict[str, Any]:
    only = "base" if not node.head.calls else "head" if not node.base.calls else None
    return {
        "call_path_id": f"{node.number:016x}",
        "depth": node.depth,
        "service": node.service,
        "operation": node.operation,
        "only_in": only,
        "base": _figures(node.base),
        "head": _figures(node.head),
        "difference_ns": node.difference_ns,
        "inclusive_difference_ns": node.inclusive_difference_ns,
    }


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "calls": _count(figures.calls),
        "errors": _count(figures.errors),
        "critical_ns": figures.critical_ns,
        "inclusive_ns": figures.inclusive_ns,
        "self_ns": figures.self_ns,
        "total_ns": figures.total_ns,
    }


def _count(count: Fraction) -> int | float:
    return int(count) if count.denominator == 1 else round(float(count), 6)


def _notices(base: TraceSide, head: TraceSide) -> list[str]:
    notices = []
    for side in (base, head):
        done = side.shown.completeness
        if not side.typical and (done.orphans or done.headless):
            notices.append(
                f"{side.name} is incomplete: spans are missing, shares are of what is here"
            )
        if not done.settled and not side.typical:
            notices.append(f"{side.name} may still receive spans")
        if side.typical and side.typical.looked_at < 5:
            notices.append(
                f"typical is made of {counted(len(side.traces), 'trace')}: only "
                f"{side.typical.looked_at} others of this request are stored"
            )
    roots = [
        (s.shown.spans.services[s.shown.root], s.shown.spans.names[s.shown.root])
        for s in (base, head) if s.shown.root >= 0
    ]  # fmt: skip
    if len(roots) == 2 and roots[0] != roots[1]:
        first, second = (f"{named(service)} › {named(name)}" for service, name in roots)
        notices.append(f"these are different requests: {first} and {second}")
    if base.shown.trace_id == head.shown.trace_id:
        notices.append("both sides are the same trace")
    return notices
