"""A causal path as text: stretches of work and the queues between them, in the order of time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from longpole.cli.render.text import inert, name_of
from longpole.dashboards.figures import duration, moment, plural, share

MOST_STRETCHES = 40
MOST_OWNERS = 4  # of a stretch, most time first


def causal_text(report: Mapping[str, Any]) -> RenderableType:
    """`report` is the document of `longpole trace --causal --json`."""
    causal = report["causal"]
    stretches, total = causal["stretches"], causal["duration_ns"]
    if not stretches:
        return Text("There is no time to explain: the trace has no spans with a duration.")
    first, end = stretches[0]["top"], causal["end"]
    head = Text()
    head.append(f"{_name(first)}  ", "bold")
    head.append(duration(total), "bold")
    traces = {stretch["top"]["trace_id"] for stretch in stretches}
    facts = [
        f"{moment(causal['start_unix_nano'])} UTC",
        plural(len(stretches), "stretch", "stretches") + f" in {plural(len(traces), 'trace')}",
        f"{duration(causal['queue_ns'])} in queues",
    ]
    parts: list[RenderableType] = [
        head,
        Text(f"to the end of {_name(end)}"),
        Text("  ".join(facts), "dim"),
        Text(),
        _table(stretches[-MOST_STRETCHES:], total),
    ]
    if len(stretches) > MOST_STRETCHES:
        more = len(stretches) - MOST_STRETCHES
        parts.append(Text(f"  … {more:,} earlier stretches; --json has all of them", "dim"))
    for problem in causal["problems"]:
        parts.append(Text(f"note: {inert(problem['message'])}", "dim"))
    return Group(*parts)


def _table(stretches: list[Mapping[str, Any]], total: int) -> Table:
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("CAUSAL PATH", no_wrap=True, overflow="ellipsis", ratio=5)
    table.add_column("LABEL", no_wrap=True)
    table.add_column("TIME", justify="right", no_wrap=True)
    table.add_column("SHARE", justify="right", no_wrap=True)
    table.add_column("", ratio=2, no_wrap=True)

    def row(name: Text, label: str, time_ns: int, has_bar: bool) -> None:
        part = time_ns / total if total else 0.0
        bar = Bar(1, 0, max(0.0, min(1.0, part)), color="yellow") if has_bar else ""
        table.add_row(name, label, duration(time_ns), share(part), bar)

    for stretch in stretches:
        queue = stretch["queue"]
        if queue is not None:
            row(Text(f"→ {_destination(queue)}"), "queue", queue["duration_ns"], True)
        row(Text(_name(stretch["top"]), "bold"), "", stretch["duration_ns"], True)
        owners: dict[tuple[str, str, str], int] = {}
        for segment in stretch["segments"]:
            key = (segment["service"], segment["operation"], segment["label"])
            time_ns = segment["end_unix_nano"] - segment["start_unix_nano"]
            owners[key] = owners.get(key, 0) + time_ns
        ranked = sorted(owners.items(), key=lambda item: (-item[1], item[0]))
        for (service, operation, label), time_ns in ranked[:MOST_OWNERS]:
            row(Text(f"    {name_of(service)} {name_of(operation)}"), label, time_ns, False)
        rest = ranked[MOST_OWNERS:]
        if rest:
            row(Text(f"    … {len(rest):,} more", "dim"), "", sum(ns for _, ns in rest), False)
    return table


def _destination(queue: Mapping[str, Any]) -> str:
    return (
        "(destination not named)" if queue["destination"] is None else name_of(queue["destination"])
    )


def _name(span: Mapping[str, Any]) -> str:
    return f"{name_of(span['service'])} · {name_of(span['operation'])}"
