"""The report of what changed between a window and its baseline, and who is to blame."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.reports.window_signals import signal_evidence
from longpole.analyzer.reports.window_traces import read_window
from longpole.analyzer.root_cause.errors import error_evidence
from longpole.analyzer.root_cause.latency import latency_evidence
from longpole.analyzer.root_cause.places import Evidence, Place
from longpole.analyzer.root_cause.queues import queue_evidence
from longpole.analyzer.root_cause.ranking import Ranking, Suspect, ranked
from longpole.analyzer.root_cause.settings import RootCauseSettings
from longpole.analyzer.root_cause.structure import structure_evidence
from longpole.analyzer.root_cause.windows import Window, baseline_of, closed, names_of
from longpole.analyzer.traceql import format_query
from longpole.analyzer.wording import named
from longpole.model.ids import span_id_hex, trace_id_hex
from longpole.model.query import TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader


def root_cause_report(
    reader: TraceReader,
    query: TraceQuery,
    baseline: TimeRange | None = None,
    options: PathOptions | None = None,
    settings: RootCauseSettings | None = None,
    *,
    now_unix_nano: int = 0,
) -> dict[str, Any]:
    """Suspects of the window `query.time`, compared with `baseline` (by default the stretch of
    equal length right before); `query.limit` does not apply. A window without an end in which no
    trace began ends at `now_unix_nano`.

    `suspects` come worst first, each with its evidence. `is_clear` is false, and `conclusion`
    says "no clear cause", when none stands out. Counts are traces; of very many, a sample is
    read, which `used` against `matched` shows.
    """
    chosen = settings or RootCauseSettings()
    after = read_window(reader, query, options, chosen.most_traces)
    if not after.matched:
        after = replace(after, time=closed(after.time, now_unix_nano))
    before = read_window(
        reader,
        replace(query, time=baseline or baseline_of(after.time)),
        options,
        chosen.most_traces,
    )
    names = names_of((before, after))
    signals, notices = signal_evidence(reader, before, after, chosen)
    ranking = ranked(
        [
            latency_evidence(before.traces, after.traces, names, chosen),
            error_evidence(before.traces, after.traces, names, chosen),
            structure_evidence(before.traces, after.traces, chosen),
            queue_evidence(before.traces, after.traces, chosen),
            *signals,
        ],
        chosen,
    )
    return {
        "query": format_query(query),
        "window": _window(after),
        "baseline": _window(before),
        "is_clear": ranking.is_clear and after.matched > 0,
        "conclusion": _conclusion(ranking, before, after, chosen),
        "suspects": [_suspect(suspect) for suspect in ranking.suspects if after.matched],
        "notices": list(dict.fromkeys((*after.notices, *before.notices, *notices))),
    }


def _conclusion(
    ranking: Ranking, before: Window, after: Window, settings: RootCauseSettings
) -> str:
    if not after.matched:
        return "No trace matches."
    fewest = settings.fewest_traces
    if len(after.traces) < fewest or len(before.traces) < fewest:
        side = "window" if len(after.traces) < fewest else "baseline"
        return f"No clear cause: the {side} has too few traces to compare."
    if not ranking.is_clear:
        return f"No clear cause: {ranking.why_not}."
    first = ranking.suspects[0]
    return f"{place_words(first.place)}: {first.evidence[0].words}."


def place_words(place: Place) -> str:
    """A service, or an edge with an arrow."""
    return " → ".join(named(part) for part in place if part)


def _window(window: Window) -> dict[str, Any]:
    durations = sorted(facts.duration_ns for facts in window.traces)
    return {
        "start_unix_nano": window.time.start_unix_nano,
        "end_unix_nano": window.time.end_unix_nano,
        "matched": window.matched,
        "used": len(window.traces),
        "failed": sum(
            any(failure.reaches_root for failure in facts.failures) for facts in window.traces
        ),
        "mean_ns": sum(durations) // len(durations) if durations else None,
        "p95_ns": durations[-(-95 * len(durations) // 100) - 1] if durations else None,
    }


def _suspect(suspect: Suspect) -> dict[str, Any]:
    return {
        "kind": "edge" if suspect.place.is_edge else "service",
        "service": suspect.place.service,
        "callee": suspect.place.callee or None,
        "score": suspect.score,
        "trace_score": suspect.trace_score,
        "evidence": [_evidence(one) for one in suspect.evidence],
    }


def _evidence(one: Evidence) -> dict[str, Any]:
    return {
        "kind": str(one.kind),
        "operation": one.operation,
        "amount": one.amount,
        "before": one.before,
        "after": one.after,
        "strength": round(one.strength, 6),
        "words": one.words,
        "examples": [
            {"trace_id": trace_id_hex(example.trace_id), "span_id": span_id_hex(example.span_id)}
            for example in one.examples
        ],
    }
