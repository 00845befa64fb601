"""Labels and fields of the newest lines: what autocompletion and Logs Drilldown offer."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from longpole.analyzer.logql.extraction import json_labels, logfmt_labels
from longpole.analyzer.logql.pipeline import Line
from longpole.analyzer.logql.tokens import number_of

_INTEGER = re.compile(r"-?\d{1,19}")


def detected_fields(lines: Iterable[Line], limit: int) -> list[dict[str, Any]]:
    """Every field that lines carry beside their stream, the ones with most values first."""
    values: dict[str, set[str]] = defaultdict(set)
    parsers: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        for name, value in line.record.metadata.items():
            values[name].add(value)
        parser, found = parsed_fields(line)
        for name, value in found.items():
            values[name].add(value)
            parsers[name].add(parser)
    ranked = sorted(values.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return [
        {
            "label": name,
            "type": _type(texts),
            "cardinality": len(texts),
            "parsers": sorted(parsers[name]) if name in parsers else None,
        }
        for name, texts in ranked[:limit]
    ]


def field_values(lines: Iterable[Line], name: str, limit: int) -> list[str]:
    """The values that one field has on these lines, sorted."""
    found = {
        value
        for line in lines
        for value in (line.labels.get(name), parsed_fields(line)[1].get(name))
        if value
    }
    return sorted(found)[:limit]


def parsed_fields(line: Line) -> tuple[str, Mapping[str, str]]:
    """Which parser a line is for, and the fields that it finds; none when it is plain text."""
    text = line.text
    if text.startswith("{"):
        members = json_labels(text, ())
        return "json", members if isinstance(members, dict) else {}
    words = logfmt_labels(text, ()) if "=" in text else {}
    return "logfmt", words if isinstance(words, dict) else {}


def _type(texts: set[str]) -> str:
    if all(_INTEGER.fullmatch(text) for text in texts):
        return "int"
    if all(text in ("true", "false") for text in texts):
        return "boolean"
    if all(number_of(text) is not None for text in texts):
        is_plain = all(text[-1].isdigit() for text in texts)
        is_size = all(text[-1] in "bB" for text in texts)
        return "float" if is_plain else "bytes" if is_size else "duration"
    return "string"
