"""Labels and fields of the newest lines: what autocompletion and Logs Drilldown offer."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from longpole.analyzer.logql.labels import label_name, text_of
from longpole.analyzer.logql.pipeline import Line
from longpole.analyzer.logql.tokens import number_of

_INTEGER = re.compile(r"-?\d{1,19}")


def detected_fields(lines: Iterable[Line], limit: int) -> list[dict[str, Any]]:
    """Every field that lines carry beside their stream, the ones with most values first."""
    values: dict[str, set[str]] = defaultdict(set)
    parsed: set[str] = set()
    for line in lines:
        for name, value in line.record.metadata.items():
            values[name].add(value)
        for name, value in json_fields(line.text).items():
            values[name].add(value)
            parsed.add(name)
    ranked = sorted(values.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return [
        {
            "label": name,
            "type": _type(texts),
            "cardinality": len(texts),
            "parsers": ["json"] if name in parsed else None,
        }
        for name, texts in ranked[:limit]
    ]


def field_values(lines: Iterable[Line], name: str, limit: int) -> list[str]:
    """The values that one field has on these lines, sorted."""
    found = {
        value
        for line in lines
        for value in (line.labels.get(name), json_fields(line.text).get(name))
        if value
    }
    return sorted(found)[:limit]


def json_fields(text: str) -> dict[str, str]:
    """The plain members of a line that is a JSON object."""
    if not text.startswith("{"):
        return {}
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(document, dict):
        return {}
    return {
        label_name(key): text_of(value)
        for key, value in document.items()
        if not isinstance(value, dict | list) and value is not None
    }


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
