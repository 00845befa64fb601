"""The verdict of one service as text: the answer first, then further findings, then figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from longpole.cli.render.findings import STYLES
from longpole.cli.render.text import inert, name_of, sentence_of
from longpole.cli.render.verdict_lines import labelled
from longpole.dashboards.figures import duration, plural, share

SHOWN_TRACES = 2


def service_verdict_text(document: Mapping[str, Any]) -> RenderableType:
    """`document` is that of `longpole services NAME --json`."""
    return Group(*_parts(document))


def _parts(document: Mapping[str, Any]) -> Iterator[RenderableType]:
    head = Text(name_of(document["service"]), "bold")
    if document["critical_ns"]:
        held = f"{duration(document['critical_ns'])} ({share(document['share'])})"
        head.append(f"  {held} of the critical paths of {plural(document['trace_count'], 'trace')}")
    yield head
    errors = plural(document["error_count"], "error")
    if document["error_count"]:
        errors += f" ({share(document['error_share'])})"
    yield Text(f"{plural(document['span_count'], 'span')}  {errors}", "dim")
    yield Text()
    if not document["is_unusual"]:
        yield Text("Nothing unusual." + (" Most time:" if document["verdict"] else ""), "bold")
    for number, entry in enumerate(document["verdict"]):
        if number:
            yield Text()
        yield from _entry(document, entry)
    for notice in document["notices"]:
        yield Text(f"note: {inert(notice)}", "dim")


def _entry(document: Mapping[str, Any], entry: Mapping[str, Any]) -> Iterator[RenderableType]:
    where = Text(f"{name_of(document['service'])} › {name_of(entry['operation'])}", "bold")
    if entry["critical_ns"]:
        where.append(f"  {duration(entry['critical_ns'])} ({share(entry['share'])})", "not bold")
    if entry["detector"] is not None:
        level = entry["severity"]
        where.append("  ").append(f"{level} {entry['detector']}", STYLES.get(level, ""))
    why = Text(sentence_of(entry["reason"]))
    why.append(f"  (confidence: {entry['confidence']})", "dim")
    yield labelled("WHERE", where)
    yield labelled("WHY", why)
    yield labelled("DO", Text(sentence_of(entry["advice"])))
    if entry["trace_ids"]:
        yield labelled("SEE", Text("  ".join(entry["trace_ids"][:SHOWN_TRACES])))
