"""The report of one trace as text: verdict first, then ribbon, tree, logs, completeness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from longpole.cli.render.context import context_of_trace
from longpole.cli.render.findings import STYLES, findings_of_trace
from longpole.cli.render.ribbon import Ribbon
from longpole.cli.render.text import inert, name_of, sentence_of
from longpole.cli.render.tree import span_tree
from longpole.cli.render.verdict_lines import labelled
from longpole.dashboards.figures import duration, moment, plural, share
from longpole.dashboards.run_words import slower_words, verdict_heading

MAX_LOGS = 20


def trace_text(
    report: Mapping[str, Any],
    page_url: str = "",
    all_spans: bool = False,
    is_stored: bool = True,
) -> RenderableType:
    """`report` is the document of `longpole trace --json --spans`. Without `is_stored` it is
    of files, to which nothing more can come."""
    return Group(*_parts(report, page_url, all_spans, is_stored))


def _parts(
    report: Mapping[str, Any], page_url: str, all_spans: bool, is_stored: bool
) -> Iterator[RenderableType]:
    root = report["root"]
    head = Text()
    head.append(f"{_name(root)}  ", "bold")
    head.append(duration(report["duration_ns"]), "bold")
    yield head
    errors = plural(report["error_count"], "error")
    facts = [moment(report["start_unix_nano"]) + " UTC", plural(report["span_count"], "span")]
    yield Text(f"{report['trace_id']}  {'  '.join([*facts, errors])}", "dim")
    yield Text()
    yield from _verdict(report)
    yield from findings_of_trace(_not_told(report))
    yield from context_of_trace(report.get("context"), report["start_unix_nano"])
    if report["segments"]:
        yield Text()
        yield Ribbon(report["segments"])
    if report.get("spans"):
        yield Text()
        begin = report["start_unix_nano"]
        yield span_tree(report["spans"], all_spans, (begin, begin + report["duration_ns"]))
    yield from _logs(report)
    yield Text()
    yield from _completeness(report, is_stored)
    if page_url:
        yield Text()
        yield Text(page_url, "underline")


def _name(span: Mapping[str, Any]) -> str:
    if span["service"] is None:
        return "no root span"
    return f"{name_of(span['service'])} · {name_of(span['operation'])}"


def _verdict(report: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Three lines for the answer, then one for each other entry."""
    if not report["verdict"]:
        yield Text("There is no time to explain: the root span has no duration.")
        return
    first, *others = report["verdict"]
    usual = report.get("usual")
    if heading := verdict_heading(report, usual):
        if usual and usual["is_slow"]:
            typical = duration(usual["now"]["p50_ns"])
            yield Text(f"{slower_words(usual)} (typical {typical})", "dim")
        yield Text(heading, "bold")
    where = _place(first)
    if first["critical_ns"]:
        amount = f"{duration(first['critical_ns'])} of {duration(report['duration_ns'])}"
        where.append(f"  {amount} ({share(first['share'])})")
    else:
        where.append("  holds no time on the critical path", "dim")
    _append_detector(where, first)
    why = Text(sentence_of(first["reason"]))
    why.append(f"  (confidence: {first['confidence']})", "dim")
    yield labelled("WHERE", where)
    yield labelled("WHY", why)
    yield labelled("DO", Text(sentence_of(first["advice"])))
    for number, entry in enumerate(others):
        words = _place(entry)
        if entry["critical_ns"]:
            words.append(f"  {duration(entry['critical_ns'])} ({share(entry['share'])})")
        _append_detector(words, entry)
        words.append(f"  {sentence_of(entry['summary'])}", "dim")
        yield labelled("" if number else "ALSO", words)


def _place(entry: Mapping[str, Any]) -> Text:
    return Text(f"{name_of(entry['service'])} › {name_of(entry['operation'])}", "bold")


def _append_detector(words: Text, entry: Mapping[str, Any]) -> None:
    if entry["detector"] is not None:
        level = entry["severity"]
        words.append("  ").append(f"{level} {entry['detector']}", STYLES.get(level, ""))


def _not_told(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The findings that the verdict does not speak of."""
    told = [(e["detector"], e["service"], e["operation"]) for e in report["verdict"][:1]]
    return [
        finding
        for finding in report["findings"]
        if (finding["detector"], finding["service"], finding["operation"]) not in told
    ]


def _logs(report: Mapping[str, Any]) -> Iterator[RenderableType]:
    logs = report["logs"]
    if not logs:
        return
    yield Text()
    yield Text(f"LOGS  {plural(len(logs), 'record')}", "bold")
    for log in logs[:MAX_LOGS]:
        line = f"{moment(log['time_unix_nano'])[11:]}  {inert(log['severity']) or '-':<5} "
        yield Padding(
            Text(f"{line} {name_of(log['service'])}  {sentence_of(log['body'])}"), (0, 0, 0, 2)
        )
    if len(logs) > MAX_LOGS:
        yield Text(f"  … {len(logs) - MAX_LOGS:,} more")


def _completeness(report: Mapping[str, Any], is_stored: bool) -> Iterator[RenderableType]:
    facts = report["completeness"]
    state = (
        f"settled, revision {facts['revision']}"
        if facts["settled"]
        else "not settled: spans may still arrive"
    )
    lacks = [
        text
        for is_so, text in (
            (facts["headless"], "the root is missing"),
            (facts["orphans"], plural(facts["orphans"], "span", "spans") + " without its parent"),
            (facts["late"], plural(facts["late"], "late span")),
            (facts["detached"], plural(facts["detached"], "span") + " nobody waited for"),
            (facts["skew_shifts"], plural(facts["skew_shifts"], "clock") + " shifted"),
        )
        if is_so
    ]
    if report["ambiguous_ns"]:
        lacks.append(f"{duration(report['ambiguous_ns'])} where span times cannot tell who waited")
    losses = sum(p["count"] for p in report["problems"] if p["severity"] == "loss")
    if losses and not is_stored:
        lacks.append(plural(losses, "record") + " of the files left out")
    known = "; ".join(lacks) or "complete"
    yield Text(f"{known} ({state})" if is_stored else known, "dim")
    if any(tree["reason"] == "producer-consumer" for tree in report["asynchronous"]):
        yield Text("note: its messages lead on; --causal follows them through their queues", "dim")
    for problem in report["problems"]:
        times = f" ({problem['count']:,} times)" if problem["count"] > 1 else ""
        yield Text(f"note: {inert(problem['message'])}{times}", "dim")
