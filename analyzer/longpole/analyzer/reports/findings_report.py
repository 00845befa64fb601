"""The report of what was found in all matching traces, one entry for each fault."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings import clock_skew
from longpole.analyzer.findings.detect import detect
from longpole.analyzer.findings.groups import MOST_EXEMPLARS, FindingGroup, Root
from longpole.analyzer.findings.ranking import Shown, causes, ranked
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.findings.window.detectors import detect_in_window
from longpole.analyzer.findings.window.evidence import Evidence
from longpole.analyzer.findings.window.gather import gather
from longpole.analyzer.findings.window.savings import savings
from longpole.analyzer.reports.unsettled import explanations
from longpole.analyzer.traceql import format_query
from longpole.model.finding import Finding, FindingSeverity
from longpole.model.ids import join_trace_id, span_id_hex, trace_id_hex
from longpole.model.query import TraceQuery
from longpole.storage.ports import TraceReader

# What of a finding is only read for those that are shown.
_WORDS = ("service", "operation", "reason", "action", "span_ids")
_DEFAULTS = Thresholds()


def findings_report(
    reader: TraceReader,
    query: TraceQuery,
    options: PathOptions | None = None,
    thresholds: Thresholds = _DEFAULTS,
    *,
    with_info: bool = False,
) -> dict[str, Any]:
    """Findings of every matching trace (`query.limit` does not apply), grouped by fingerprint,
    and of all of them together; the one to mend first in front (`ranking`).

    Settled traces come from derived rows, the others are explained now, with `options`. Groups
    of level info are left out and counted in `info_count`, unless `with_info`. `coverage`
    counts traces as for critical-path.
    """
    stored = reader.findings(query)
    traces_of: Counter[Root] = Counter()
    for row in stored.roots.to_pylist():
        traces_of[row["root_service"], row["root_operation"]] += row["trace_count"]
    groups: dict[str, FindingGroup] = {}
    _add_stored(groups, stored.findings)
    fresh: list[Finding] = []
    offset = stored.findings.num_rows
    explained = incomplete = late = 0
    for explanation in explanations(reader, stored.unsettled, options):
        traces_of[_root_of(explanation)] += 1
        _add_fresh(groups, detect(explanation, thresholds), explanation, fresh, offset)
        explained += 1
        incomplete += bool(explanation.completeness.orphans or explanation.completeness.headless)
        late += explanation.completeness.late > 0
    words = _Words(stored.findings, fresh)
    gathered = gather(reader, query, thresholds.pause_ns)
    evidence = Evidence(gathered.window.spans if gathered.window is not None else None)
    if gathered.window is not None:
        told = detect_in_window(gathered.window, thresholds)
        saved = savings(gathered.window.spans, told, lambda ids: explanations(reader, ids, options))
        for finding, of_traces in zip(told, saved, strict=True):
            group = groups.setdefault(
                finding.fingerprint, FindingGroup(finding.fingerprint, finding.detector)
            )
            group.add_told(finding, of_traces, gathered.roots)
    shown = [
        _shown(group, severity, words, evidence)
        for group in groups.values()
        if (severity := group.settled_severity(traces_of)) != FindingSeverity.INFO or with_info
    ]
    cause_of = causes(shown)
    lines = [
        _line(groups[one.fingerprint], traces_of, words, evidence)
        | {"explained_by": cause_of.get(one.fingerprint)}
        for one in ranked(shown)
    ]
    return {
        "query": format_query(query),
        "coverage": {
            "matched": stored.coverage.matched,
            "used": stored.coverage.used + explained,
            "unsettled_explained": explained,
            "incomplete": stored.coverage.incomplete + incomplete,
            "late": stored.coverage.late + late,
        },
        "findings": lines,
        "info_count": 0 if with_info else len(groups) - len(lines),
        "notices": [*stored.notices, *gathered.notices],
    }


def finding_document(finding: Finding) -> dict[str, Any]:
    """One finding of one trace, as its report lists it."""
    return {
        "detector": finding.detector,
        "severity": str(finding.severity),
        "service": finding.service,
        "operation": finding.operation,
        "span_ids": [span_id_hex(span_id) for span_id in finding.span_ids],
        "saving_ns": finding.saving_ns,
        "reason": finding.reason,
        "action": finding.action,
        "fingerprint": finding.fingerprint,
    }


def _root_of(explanation: Explanation) -> Root:
    if explanation.root < 0:
        return "", ""
    spans = explanation.spans
    return spans.services[explanation.root], spans.names[explanation.root]


def _add_stored(groups: dict[str, FindingGroup], found: pa.Table) -> None:
    names = (
        "trace_hi", "trace_lo", "detector", "severity", "saving_ns", "fingerprint",
        "first_seen_unix_nano", "root_service", "root_operation",
    )  # fmt: skip
    columns = [found.column(name).to_pylist() for name in names]
    shown = pc.list_value_length(found.column("span_ids")).to_pylist()
    rows = zip(*columns, shown, strict=True)
    for place, row in enumerate(rows):
        hi, lo, detector, severity, saving, fingerprint, seen, service, operation, evidence = row
        group = groups.get(fingerprint)
        if group is None:
            group = groups[fingerprint] = FindingGroup(fingerprint, detector)
        if detector == clock_skew.IDENTIFIER:
            evidence += clock_skew.telling(found.column("operation")[place].as_py())
        root = (service, operation)
        group.add(join_trace_id(hi, lo), severity, saving, seen, root, place, evidence)


def _add_fresh(
    groups: dict[str, FindingGroup],
    found: tuple[Finding, ...],
    explanation: Explanation,
    fresh: list[Finding],
    offset: int,
) -> None:
    root = _root_of(explanation)
    for finding in found:
        group = groups.get(finding.fingerprint)
        if group is None:
            group = FindingGroup(finding.fingerprint, finding.detector)
            groups[finding.fingerprint] = group
        evidence = len(finding.span_ids)
        if finding.detector == clock_skew.IDENTIFIER:
            evidence += clock_skew.telling(finding.operation)
        group.add(
            finding.trace_id,
            str(finding.severity),
            finding.saving_ns,
            explanation.start_unix_nano,
            root,
            offset + len(fresh),
            evidence,
        )
        fresh.append(finding)


@dataclass(frozen=True, slots=True)
class _Words:
    """Finds the words of a finding by its place: stored rows first, then fresh ones."""

    stored: pa.Table
    fresh: list[Finding]

    def at(self, place: int) -> dict[str, Any]:
        if place >= self.stored.num_rows:
            finding = self.fresh[place - self.stored.num_rows]
            return {name: getattr(finding, name) for name in _WORDS}
        return {name: self.stored.column(name)[place].as_py() for name in _WORDS}


def _shown(group: FindingGroup, severity: str, words: _Words, evidence: Evidence) -> Shown:
    spans_of = {trace_id: frozenset(words.at(place)["span_ids"]) for trace_id, place in group.worst}
    if group.told is not None:
        spans_of = evidence.of_rows(group.told.rows) | spans_of
    return Shown(
        fingerprint=group.fingerprint,
        detector=group.detector,
        severity=severity,
        saving_ns=group.total_saving_ns,
        trace_count=group.trace_count,
        evidence=spans_of,
        above=evidence.above(spans_of),
        operations=evidence.operations(spans_of),
    )


def _line(
    group: FindingGroup, traces_of: Counter[Root], words: _Words, evidence: Evidence
) -> dict[str, Any]:
    worst = group.worst
    if group.told is not None:
        told = group.told
        shown = {name: getattr(told, name) for name in _WORDS if name != "span_ids"}
        by_trace = evidence.of_rows(told.rows)
        trace_ids = list(dict.fromkeys((*by_trace, *(trace_id for trace_id, _ in worst))))
        span_ids = evidence.span_ids(told.rows)
    else:
        shown = words.at(worst[0][1])
        trace_ids, span_ids = [trace_id for trace_id, _ in worst], shown["span_ids"]
    return {
        "detector": group.detector,
        "severity": group.settled_severity(traces_of),
        "trace_ids": [trace_id_hex(trace_id) for trace_id in trace_ids[:MOST_EXEMPLARS]],
        "span_ids": [span_id_hex(span_id) for span_id in span_ids],
        "service": shown["service"],
        "operation": shown["operation"],
        "saving_ns": group.total_saving_ns,
        "reason": shown["reason"],
        "action": shown["action"],
        "fingerprint": group.fingerprint,
        "trace_count": group.trace_count,
        "trace_share": round(group.share(traces_of), 6),
        "median_saving_ns": group.median_saving_ns,
        "first_seen_unix_nano": group.first_seen_unix_nano,
        "last_seen_unix_nano": group.last_seen_unix_nano,
        "roots": [
            {"service": service, "operation": operation, "trace_count": count}
            for (service, operation), count in sorted(
                group.roots.items(), key=lambda item: (-item[1], item[0])
            )
        ],
    }
