"""Log records and log patterns as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from longpole.cli.render.text import inert, name_of, sentence_of
from longpole.dashboards.figures import moment, plural

MOST_PATTERNS = 40
LEVEL_STYLES = {"fatal": "bold red", "error": "bold red", "warn": "bold yellow", "debug": "dim",
                "trace": "dim"}  # fmt: skip
STATE_STYLES = {"new": "bold red", "more": "bold yellow", "gone": "bold cyan", "less": "cyan"}


def logs_text(document: Mapping[str, Any], is_newest_first: bool) -> RenderableType:
    """`document` is that of `/api/v1/logs`."""
    return Group(*_logs(document, is_newest_first))


def _logs(document: Mapping[str, Any], is_newest_first: bool) -> Iterator[RenderableType]:
    logs = document["logs"]
    if not logs:
        yield Text("No log record matches.", "bold")
    older = Text(f"… older ones match too; --limit shows more than {len(logs):,}", "dim")
    if document["is_truncated"] and not is_newest_first:
        yield older
    day = ""
    grid = _log_grid()
    for log in logs:
        at = moment(log["time_unix_nano"])
        if at[:10] != day:
            if grid.row_count:
                yield grid
            grid, day = _log_grid(), at[:10]
            yield Text(f"-- {day} UTC", "dim")
        grid.add_row(*_log(log, at))
    if grid.row_count:
        yield grid
    if document["is_truncated"] and is_newest_first:
        yield older
    yield from _notices(document)


def _log_grid() -> Table:
    grid = Table.grid(padding=(0, 1), expand=False)
    grid.add_column(width=12, no_wrap=True, style="dim")
    grid.add_column(width=5, no_wrap=True)
    grid.add_column(max_width=24, overflow="fold")
    grid.add_column(overflow="fold")
    return grid


def _log(log: Mapping[str, Any], at: str) -> tuple[Text, Text, Text, Text]:
    level = log["level"] or inert(log["severity_text"])[:5]
    body = Text(sentence_of(log["body"]) or sentence_of(log["event_name"]))
    if log["trace_id"]:
        body.append(f"  {log['trace_id']}", "dim")
    return (
        Text(at[11:] or at),
        Text(level.upper() or "-", LEVEL_STYLES.get(log["level"], "")),
        Text(name_of(log["service"])),
        body,
    )


def patterns_text(document: Mapping[str, Any]) -> RenderableType:
    """`document` is that of `/api/v1/logs/patterns`."""
    return Group(*_patterns(document))


def _patterns(document: Mapping[str, Any]) -> Iterator[RenderableType]:
    patterns, window = document["patterns"], document["window"]
    changed = sum(one["state"] not in (None, "same") for one in patterns)
    head = f"{plural(len(patterns), 'pattern')} in {plural(window['records'], 'record')}"
    if document["baseline"]:
        head += f", {changed:,} changed" if changed else ", none changed"
    if not window["records"]:
        head = "No log record matches" + (", in the time before some did." if patterns else ".")
    yield Text(head, "bold")
    # What was read of either side is of use only when one of them has something.
    for name in ("window", "baseline") if patterns else ():
        if document[name]:
            yield Text(_side(name, document[name]), "dim")
    for one in patterns[:MOST_PATTERNS]:
        yield Text()
        yield _pattern(one)
    if len(patterns) > MOST_PATTERNS:
        yield Text()
        yield Text(f"… {len(patterns) - MOST_PATTERNS:,} more; --json has all of them", "dim")
    yield from _notices(document)


def _side(name: str, side: Mapping[str, Any]) -> str:
    if not side["records"]:
        return f"{name:<9} no records"
    when = f"{moment(side['start_unix_nano'])[:19]} to {moment(side['end_unix_nano'])[:19]} UTC"
    return f"{name:<9} {when}  {plural(side['records'], 'record')}"


def _pattern(one: Mapping[str, Any]) -> RenderableType:
    grid = Table.grid(padding=(0, 1), expand=False)
    grid.add_column(width=4, no_wrap=True)
    grid.add_column(width=5, no_wrap=True)
    grid.add_column(overflow="fold")
    state = one["state"] or ""
    level = Text((one["level"] or "-").upper(), LEVEL_STYLES.get(one["level"], ""))
    words = Text(sentence_of(one["template"]) or "(no text)", "bold" if state != "same" else "")
    grid.add_row(
        Text(state.upper() if state != "same" else "", STATE_STYLES.get(state, "")), level, words
    )
    facts = f"{name_of(one['service'])}  {one['count']:,}×"
    if one["baseline_count"] is not None:
        facts += f", {one['baseline_count']:,}× before"
    facts += f"  {one['rate']:.3g} a {one['unit']}"
    if one["baseline_rate"] is not None:
        facts += f", {one['baseline_rate']:.3g} before"
    facts += f"  first {moment(one['first_seen_unix_nano'])[11:]}"
    grid.add_row("", "", Text(facts, "dim"))
    example = one["example"]
    if example["body"].strip() != one["template"]:
        grid.add_row("", "", Text(f"e.g. {sentence_of(example['body'])[:200]}", "dim"))
    if example["trace_id"]:
        grid.add_row("", "", Text(f"see trace {example['trace_id']}", "dim"))
    return grid


def _notices(document: Mapping[str, Any]) -> Iterator[RenderableType]:
    for notice in document["notices"]:
        yield Text(f"note: {inert(notice)}", "dim")
