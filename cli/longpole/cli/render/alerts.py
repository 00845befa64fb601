"""Active alerts on a terminal."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from longpole.cli.render.text import name_of, sentence_of

_STYLES = {"firing": "bold red", "pending": "yellow"}


def alerts_text(document: dict[str, Any], shown: Sequence[dict[str, Any]]) -> RenderableType:
    """One paragraph for each alert, firing ones first."""
    parts: list[Text] = []
    for alert in shown:
        parts += _alert(alert)
    for rule in document["failing_rules"]:
        line = Text("failing ", style="red")
        line.append(f"{name_of(rule['name'])} in {name_of(rule['group'])}: ")
        line.append(sentence_of(rule["error"]))
        parts.append(line)
    rules = document["alerting_rules"]
    parts.append(
        Text(
            f"{document['firing']} firing, {document['pending']} pending"
            f" of {rules} alerting {'rule' if rules == 1 else 'rules'}"
        )
    )
    return Group(*parts)


def _alert(alert: dict[str, Any]) -> list[Text]:
    since = datetime.datetime.fromtimestamp(alert["active_at_unix_nano"] / 1e9, datetime.UTC)
    head = Text()
    head.append(f"{alert['state']:8}", style=_STYLES.get(alert["state"], ""))
    head.append(f"{name_of(alert['name'])}  since {since:%Y-%m-%d %H:%M:%S} UTC")
    if alert["value"] is not None:
        head.append(f"  value {alert['value']:.6g}")
    labels = "  ".join(
        f"{name_of(name)}={name_of(value)}"
        for name, value in alert["labels"].items()
        if name != "alertname"
    )
    lines = [head]
    if labels:
        lines.append(Text(f"        {labels}"))
    for name, text in alert["annotations"].items():
        lines.append(Text(f"        {name_of(name)}: {sentence_of(text)}"))
    return lines
