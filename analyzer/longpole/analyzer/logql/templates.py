"""Templates of `label_format` and `line_format`: fields, `__line__`, and a few functions of texts.

{{ contains "abc" __line__ }}   {{.level}} took {{ .duration | upper }}
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

_ACTION = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)
_PART = re.compile(r'\s*("(?:[^"\\]|\\.)*"|`[^`]*`|\.\w+|\w+|\|)')

_FUNCTIONS: Mapping[str, tuple[int, Callable[..., str]]] = {
    "contains": (2, lambda part, whole: _truth(part in whole)),
    "hasPrefix": (2, lambda part, whole: _truth(whole.startswith(part))),
    "hasSuffix": (2, lambda part, whole: _truth(whole.endswith(part))),
    "lower": (1, str.lower),
    "ToLower": (1, str.lower),
    "upper": (1, str.upper),
    "ToUpper": (1, str.upper),
    "trim": (1, str.strip),
    "trimPrefix": (2, lambda part, whole: whole.removeprefix(part)),
    "trimSuffix": (2, lambda part, whole: whole.removesuffix(part)),
    "replace": (3, lambda old, new, whole: whole.replace(old, new)),
}


def check_template(template: str) -> str:
    """Why a template cannot be used; nothing when it can."""
    for action in _ACTION.findall(template):
        try:
            _run(action, "", {})
        except ValueError as error:
            return f"invalid template: {error}"
    return ""


def expanded(template: str, line: str, labels: Mapping[str, str]) -> str:
    """The text that a template makes of a line and its labels; a label that is missing is empty.
    The template has passed `check_template`."""
    return _ACTION.sub(lambda found: _run(found.group(1), line, labels), template)


def _run(action: str, line: str, labels: Mapping[str, str]) -> str:
    result: str | None = None
    stages: list[list[str]] = [[]]
    at = 0
    text = action.strip()
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            raise ValueError(f"{text[at : at + 20]!r} is not understood here")
        at = part.end()
        if part.group(1) == "|":
            stages.append([])
        else:
            stages[-1].append(part.group(1))
    for stage in stages:
        if not stage:
            raise ValueError("an empty action")
        name, *arguments = stage
        values = [_value(one, line, labels) for one in arguments]
        values += [] if result is None else [result]
        if name in _FUNCTIONS:
            count, function = _FUNCTIONS[name]
            if len(values) != count:
                raise ValueError(f"{name} takes {count} arguments")
            result = function(*values)
        elif values:
            raise ValueError(f"function {name[:40]!r} is not known here")
        else:
            result = _value(name, line, labels)
    return result or ""


def _value(part: str, line: str, labels: Mapping[str, str]) -> str:
    if part == "__line__":
        return line
    if part.startswith("."):
        return labels.get(part[1:], "")
    if part.startswith("`"):
        return part[1:-1]
    if part.startswith('"'):
        try:
            return str(json.loads(part))
        except ValueError:
            raise ValueError(f"{part[:40]} is no text") from None
    raise ValueError(f"{part[:40]!r} is not known here")


def _truth(value: bool) -> str:
    return "true" if value else "false"
