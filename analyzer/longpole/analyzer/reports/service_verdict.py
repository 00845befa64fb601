"""The verdict of one service over many traces: where, why, what to do, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.findings.leads import certainty_of_detector
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.reports.critical_path_report import critical_path_report
from longpole.analyzer.reports.findings_report import findings_report
from longpole.analyzer.wording import counted, duration_text, first_sentence, named, share_text
from longpole.model.finding import FindingSeverity
from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader

MOST_ENTRIES = 3
_DEFAULTS = Thresholds()


def service_verdict(
    reader: TraceReader,
    service: str,
    time: TimeRange | None = None,
    options: PathOptions | None = None,
    thresholds: Thresholds = _DEFAULTS,
) -> dict[str, Any] | None:
    """What is wrong with a service, from all traces that it took part in with a span that starts
    in `time`; None for a service without any span then.

    `verdict` has up to three findings of level warning or above that name the service, in the
    order of `findings`; without one, the operation that holds most path time, where nothing is
    unusual. `critical_ns` and `share` are those of service and operation on the critical paths of
    these traces, whose durations together are `duration_sum_ns`; `path_services` are all services
    on them, most time first.
    """
    span = time or TimeRange()
    facts = next((known for known in reader.services(span) if known.name == service), None)
    if facts is None:
        return None
    query = TraceQuery((Condition(Field.SERVICE, Comparison.EQ, service),), span, None)
    paths = critical_path_report(reader, query, ("service", "operation"), options)
    found = findings_report(reader, query, options, thresholds)
    held = {g["operation"]: g for g in paths["groups"] if g["service"] == service}
    critical_ns = sum(group["critical_ns"] for group in held.values())
    duration_sum_ns = paths["roots"]["duration_sum_ns"]
    entries = [
        _of_finding(finding, held)
        for finding in found["findings"]
        if finding["service"] == service and finding["severity"] != FindingSeverity.INFO
    ][:MOST_ENTRIES]
    if not entries and held:
        entries = [_usual(next(iter(held.values())))]
    document = {
        "service": service,
        "is_unusual": bool(entries) and entries[0]["detector"] is not None,
        "verdict_line": "",
        "verdict": entries,
        "trace_count": paths["roots"]["trace_count"],
        "span_count": facts.span_count,
        "error_count": facts.error_count,
        "error_share": round(facts.error_count / facts.span_count, 6) if facts.span_count else 0.0,
        "critical_ns": critical_ns,
        "share": round(critical_ns / duration_sum_ns, 6) if duration_sum_ns else 0.0,
        "duration_sum_ns": duration_sum_ns,
        "path_services": _path_services(paths["groups"], duration_sum_ns),
        "coverage": found["coverage"],
        "notices": list(dict.fromkeys((*paths["notices"], *found["notices"]))),
    }
    document["verdict_line"] = _line(document, entries)
    return document


def _path_services(groups: Sequence[Mapping[str, Any]], whole_ns: int) -> list[dict[str, Any]]:
    held: Counter[str] = Counter()
    for group in groups:
        held[group["service"]] += group["critical_ns"]
    return [
        {
            "service": service,
            "critical_ns": critical_ns,
            "share": round(critical_ns / whole_ns, 6) if whole_ns else 0.0,
        }
        for service, critical_ns in sorted(held.items(), key=lambda item: (-item[1], item[0]))
    ]


def _of_finding(finding: Mapping[str, Any], held: Mapping[str, Any]) -> dict[str, Any]:
    group = held.get(finding["operation"])
    traces = counted(finding["trace_count"], "trace")
    root = named(finding["roots"][0]["operation"]) if finding["roots"] else "its operations"
    return {
        "operation": finding["operation"],
        "critical_ns": group["critical_ns"] if group else 0,
        "share": group["share"] if group else 0.0,
        "reason": f"{finding['reason']} Seen in {traces} ({share_text(finding['trace_share'])} "
        f"of {root}).",
        "advice": finding["action"],
        "confidence": str(certainty_of_detector(finding["detector"])),
        "summary": first_sentence(finding["reason"]),
        "detector": finding["detector"],
        "severity": finding["severity"],
        "saving_ns": finding["saving_ns"],
        "trace_ids": finding["trace_ids"],
    }


def _usual(group: Mapping[str, Any]) -> dict[str, Any]:
    each = duration_text(group["critical_ns"] // max(1, group["trace_count"]))
    return {
        "operation": group["operation"],
        "critical_ns": group["critical_ns"],
        "share": group["share"],
        "reason": f"It holds {duration_text(group['critical_ns'])} on the critical paths of "
        f"{counted(group['trace_count'], 'trace')}, {each} each on the average.",
        "advice": "Nothing needs doing; begin here to make the service faster.",
        "confidence": "high",
        "summary": "most of its time on critical paths",
        "detector": None,
        "severity": None,
        "saving_ns": 0,
        "trace_ids": [],
    }


def _line(document: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> str:
    errors = f"{share_text(document['error_share'])} of spans failed"
    whole = f"{share_text(document['share'])} of the path" if document["critical_ns"] else ""
    about = ", ".join(
        words for words in (whole, errors if document["error_count"] else "") if words
    )
    if not document["is_unusual"]:
        where = f"; most time in {named(entries[0]['operation'])}" if entries else ""
        return f"nothing unusual{where}" + (f" ({about})" if about else "")
    top = entries[0]
    return (
        f"{named(top['operation'])}: {top['detector']}: {top['summary']} "
        f"{first_sentence(top['advice'])}" + (f" ({about})" if about else "")
    )
