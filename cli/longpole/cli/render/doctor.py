"""What the doctor found, as text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from longpole.cli.render.text import inert
from longpole.dashboards.figures import plural, size

_STYLES = {"damaged": "bold red", "lost": "bold red", "unnamed": "yellow"}
_NOUNS = {"spans": "span", "logs": "log record", "metrics": "metric point", "derived": "trace"}


def doctor_text(document: Mapping[str, Any]) -> RenderableType:
    """`document` is that of `longpole doctor --json`."""
    parts: list[RenderableType] = [Text(line) for line in _whole(document["parts"])]
    for part in document["parts"]:
        if part["state"] != "whole":
            line = f"{part['state']}: {inert(part['name'])}: {inert(part['message'])}"
            parts.append(Text(line, _STYLES[part["state"]]))
    for problem in document["repairs"]:
        parts.append(Text(f"repaired: {inert(problem['message'])}", "yellow"))
    for reason, count in sorted(document["losses"].items()):
        parts.append(Text(f"lost up to now: {count:,} {inert(reason)}", "yellow"))
    aside = document["quarantine"]
    if aside:
        total = size(sum(file["bytes"] for file in aside))
        parts.append(Text(f"quarantine: {plural(len(aside), 'file')}, {total}"))
    parts.append(Text(_verdict(document), "bold green" if document["is_healthy"] else "bold red"))
    return Group(*parts)


def _whole(parts: list[Mapping[str, Any]]) -> list[str]:
    """One line for each kind of part that is in order."""
    lines = []
    segments: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for part in parts:
        if part["state"] != "whole":
            continue
        if part["name"] == "manifest":
            lines.append(f"whole: the manifest, which names {plural(part['records'], 'segment')}")
        elif part["name"] == "journal":
            lines.append(f"whole: the journal, {plural(part['records'], 'request')} not sealed yet")
        else:
            segments[part["name"].rpartition("-")[0]].append(part)
    for kind, own in sorted(segments.items()):
        records = plural(sum(part["records"] for part in own), _NOUNS[kind])
        total = size(sum(part["bytes"] for part in own))
        lines.append(f"whole: {plural(len(own), 'segment')} of {kind}, {records}, {total}")
    return lines


def _verdict(document: Mapping[str, Any]) -> str:
    where = inert(document["data_dir"])
    if document["is_healthy"]:
        return f"Everything in {where} can be read."
    if document["server_pid"]:
        return (
            f"Not everything in {where} can be read. The server (process "
            f"{document['server_pid']}) repairs a file when a question meets it; or stop it and "
            "run `longpole doctor --repair`."
        )
    return (
        f"Not everything in {where} can be read. `longpole doctor --repair` keeps all that can, "
        "and so does a start of `longpole serve`."
    )
