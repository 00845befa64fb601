"""What a run of load did, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from longpole.cli.render.imported import NOUNS
from longpole.cli.render.text import inert
from longpole.dashboards.figures import plural, size


def load_text(document: Mapping[str, Any]) -> RenderableType:
    """`document` is that of `longpole loadgen --json`."""
    noun = NOUNS[document["signal"]]
    latency = document["latency_seconds"]
    parts: list[RenderableType] = [
        Text(
            f"{plural(document['acknowledged_records'], noun)} acknowledged in "
            f"{plural(document['acknowledged_requests'], 'request')}, "
            f"{document['acknowledged_per_second']:,.0f} a second",
            "bold",
        ),
        Text(
            f"{document['protocol']} to {inert(document['endpoint'])}, "
            f"{plural(document['connections'], 'connection')}, {size(document['sent_bytes'])} sent"
        ),
    ]
    if latency["p50"] is not None:
        times = ", ".join(f"{name} {1000 * value:,.1f} ms" for name, value in latency.items())
        parts.append(Text(f"answers: {times}"))
    for reason, count in document["refusals"].items():
        parts.append(Text(f"refused {plural(count, 'time')}: {inert(reason)}", "yellow"))
    for key, words in (
        ("rejected_records", "rejected"),
        ("dropped_requests", "requests given up"),
        ("unknown_requests", "requests without an answer: they may be stored or not"),
    ):
        if document[key]:
            parts.append(Text(f"{document[key]:,} {words}", "bold red"))
    if document["late_seconds"] > 1:
        parts.append(
            Text(
                f"up to {document['late_seconds']:,.1f} s behind the rate: more connections or "
                "workers may help, or it is more than is taken",
                "yellow",
            )
        )
    found = document.get("stored")
    if found is not None:
        is_bad = found["lost"] or found["doubled"]
        text = f"stored {found['found']:,}: {found['lost']:,} lost, {found['doubled']:,} doubled"
        parts.append(Text(text, "bold red" if is_bad else "bold green"))
    return Group(*parts)
