"""The evidence that goes with an alert: which path grew and by how much, traces to look at, and
what logs say that they did not say before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from longpole.analyzer.reports.compare_report import compare_report
from longpole.analyzer.reports.compare_sides import Side
from longpole.analyzer.reports.log_patterns_report import log_patterns_report
from longpole.analyzer.reports.path_now import path_now
from longpole.analyzer.wording import counted, duration_text, share_text
from longpole.model.ids import trace_id_hex
from longpole.model.problem import LongpoleError
from longpole.model.query import Comparison, Condition, Field, LogQuery, TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader

# In this order: labels of metrics from spans, then of metrics that were sent.
SERVICE_LABELS = ("service_name", "service", "server", "job")
OPERATION_LABELS = ("span_name", "operation")
MINUTE_NS = 60 * 10**9
SHORTEST_NS, LONGEST_NS = 5 * MINUTE_NS, 30 * MINUTE_NS
# Metrics from spans are that late, whatever an expression looks back at; and of more than the
# longest time too little would be left to look at.
SHORTEST_RANGE_NS, LONGEST_RANGE_NS = 2 * MINUTE_NS, 30 * MINUTE_NS
EXEMPLARS = 3
NEW_TEMPLATES = 3
# Looked at for the slowest and the failed ones.
MOST_TRACES = 200
# Of lines that cannot be said to be new, those worth to be shown, worst first.
TELLING_LEVELS = ("fatal", "error", "warn")


@dataclass(frozen=True, slots=True)
class Subject:
    """What an alert is about, as its labels tell; None where they do not."""

    service: str | None
    operation: str | None


def subject_of(labels: Mapping[str, str], services: frozenset[str]) -> Subject:
    """The service among those that sent spans, and the operation."""
    service = None
    for name in SERVICE_LABELS:
        value = labels.get(name, "")
        for candidate in (value, value.rpartition("/")[2]):
            if service is None and candidate in services:
                service = candidate
    operation = next((labels[name] for name in OPERATION_LABELS if labels.get(name)), None)
    return Subject(service, operation if service is not None else None)


def alert_evidence(
    store: TraceReader, labels: Mapping[str, str], active_at_unix_nano: int, now_unix_nano: int,
    range_ns: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """What is to be said of an alert that is active since then, over an expression that looks back
    `range_ns`: `service`, `operation`, `summary` (one line), `grew` (where time was added: service,
    operation, difference_ns), `traces` (failed ones and the slowest), `new_logs`. Without traces of
    the time before (the server may be younger) `is_compared` is false, and `consists_of` tells what
    the path consists of now. Parts that cannot be told are empty."""
    head, base = compared_times(active_at_unix_nano, now_unix_nano, range_ns)
    length = head.end_unix_nano - head.start_unix_nano
    subject = subject_of(labels, frozenset(one.name for one in store.services(TimeRange())))
    conditions = tuple(
        Condition(field, Comparison.EQ, value)
        for field, value in (
            (Field.SERVICE, subject.service),
            (Field.NAME, subject.operation),
        )
        if value is not None
    )
    summary, grew, is_compared = _grown(store, conditions, base, head)
    parts: list[dict[str, Any]] = []
    if not is_compared:
        summary, parts = _now(store, conditions, base, head, summary)
    return {
        "service": subject.service,
        "operation": subject.operation,
        "summary": summary,
        "is_compared": is_compared,
        "grew": grew,
        "consists_of": parts,
        "traces": _exemplars(store, conditions, head),
        "new_logs": _new_logs(store, subject.service, head, length, is_compared),
    }


def compared_times(
    active_at_unix_nano: int, now_unix_nano: int, range_ns: int
) -> tuple[TimeRange, TimeRange]:
    """The time of an alert, and as much of the time before.

            base         ├─ range of the expression ─┤
    ├────────────────────┤             ├─────────────┼─────── head ───────┤
                           it began here             active             now

    What made it true began somewhere in the range, most likely in the middle: the first half of it
    belongs to neither side.
    """
    looked_back = min(max(range_ns, SHORTEST_RANGE_NS), LONGEST_RANGE_NS)
    at, before = active_at_unix_nano - looked_back // 2, active_at_unix_nano - looked_back
    length = min(max(now_unix_nano - at, SHORTEST_NS), LONGEST_NS)
    return TimeRange(at, at + length), TimeRange(before - length, before)


def _grown(
    store: TraceReader, conditions: tuple[Condition, ...], base: TimeRange, head: TimeRange
) -> tuple[str, list[dict[str, Any]], bool]:
    sides = [Side(store, TraceQuery(conditions, time, None)) for time in (base, head)]
    try:
        found = compare_report(sides[0], sides[1])
    except LongpoleError as error:
        return f"could not be compared: {error}", [], True
    grew = [
        {
            "service": term["service"],
            "operation": term["operation"],
            "words": term["words"],
            "difference_ns": term["difference_ns"],
            "is_real": term["is_real"],
        }
        for term in found["terms"]
        if term["difference_ns"] > 0 and term["operation"]
    ]
    grew.sort(key=lambda term: (not term["is_real"], -term["difference_ns"]))
    is_compared = found["compared"]["base_traces"] > 0
    return str(found["verdict_line"]), grew[:EXEMPLARS], is_compared


def _now(
    store: TraceReader, conditions: tuple[Condition, ...], base: TimeRange, head: TimeRange,
    nothing: str,
) -> tuple[str, list[dict[str, Any]]]:  # fmt: skip
    """Why nothing is compared, and what the path consists of now; `nothing` without traces."""
    told, parts = path_now(Side(store, TraceQuery(conditions, head, None)), EXEMPLARS)
    if not told:
        return nothing, []
    minutes = round((base.end_unix_nano - base.start_unix_nano) / MINUTE_NS)
    length = counted(minutes, "minute")
    if store.find_traces(TraceQuery((), base, 1)).traces.num_rows:
        why = f"Nothing to compare with: there were no such traces in the {length} before"
    else:
        why = f"No time before to compare with: no trace is stored of the {length} before"
    return f"{why}. Now {told}.", parts


def _exemplars(
    store: TraceReader, conditions: tuple[Condition, ...], time: TimeRange
) -> list[dict[str, Any]]:
    rows = store.find_traces(TraceQuery(conditions, time, MOST_TRACES)).traces.to_pylist()
    rows.sort(key=lambda row: (-min(row["error_count"], 1), -row["duration_ns"]))
    return [
        {
            "trace_id": trace_id_hex(row["trace_hi"] << 64 | row["trace_lo"]),
            "duration_ns": row["duration_ns"],
            "errors": row["error_count"],
            "root": f"{row['root_service']} {row['root_operation']}".strip(),
            "verdict": row["verdict"],
        }
        for row in rows[:EXEMPLARS]
    ]


def _new_logs(
    store: TraceReader, service: str | None, time: TimeRange, length: int, is_compared: bool
) -> list[dict[str, Any]]:
    """Patterns that were not there before. Where nothing at all was, each would be new: then
    warnings and worse, which are not said to be new."""
    query = LogQuery(time=time, services=(service,) if service else (), limit=None)
    found = log_patterns_report(store, query, length, now_unix_nano=time.end_unix_nano)
    patterns = [one for one in found["patterns"] if one["state"] == "new"]
    is_new = is_compared or found["baseline"]["records"] > 0
    if not is_new:
        patterns = [one for one in found["patterns"] if one["level"] in TELLING_LEVELS]
        patterns.sort(key=lambda one: (TELLING_LEVELS.index(one["level"]), -one["count"]))
    return [
        {"template": one["template"], "service": one["service"], "level": one["level"],
         "count": one["count"], "is_new": is_new}
        for one in patterns[:NEW_TEMPLATES]
    ]  # fmt: skip


def evidence_lines(evidence: Mapping[str, Any], trace_url: str) -> str:
    """The same in a few lines of text. `trace_url` is what comes before the id of a trace."""
    lines = [evidence["summary"]] if evidence["summary"] else []
    for term in evidence["grew"][:1]:
        added = duration_text(term["difference_ns"])
        lines.append(f"+{added}: {term['words']} {term['service']} {term['operation']}")
    for part in evidence["consists_of"]:
        spent = f"{duration_text(part['path_ns'])} ({share_text(part['share'])})"
        lines.append(f"{spent}: {part['service']} {part['operation']}")
    for trace in evidence["traces"]:
        lines.append(f"{trace_url}{trace['trace_id']} ({duration_text(trace['duration_ns'])})")
    for log in evidence["new_logs"][:1]:
        what = "new log" if log["is_new"] else "log"
        lines.append(f"{what} ({log['count']}x): {log['template'][:200]}")
    return "\n".join(lines)
