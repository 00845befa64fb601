"""Labels and numbers that are taken from a line.

What takes labels gives them by name, or the word for what is wrong with the line. `wanted` are
pairs of a label and a place in the line; without any, all that there are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

import re2

from longpole.analyzer.logql.labels import label_name, text_of
from longpole.analyzer.logql.line_patterns import LinePattern, line_pattern
from longpole.analyzer.logql.tokens import bytes_of, plain_number, seconds_of

MOST_EXTRACTED = 200
_LOGFMT = re.compile(r'([^\s="]+)(?:=("(?:[^"\\]|\\.)*"|[^\s"]*))?')
Captured = dict[str, str]


def json_labels(text: str, wanted: Sequence[tuple[str, str]]) -> dict[str, str] | str:
    """Of a JSON object, its members inside of members with joined names."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return "JSONParserErr"
    if not isinstance(document, dict):
        return "JSONParserErr"
    found: dict[str, str] = {}
    waiting: list[tuple[str, object]] = [("", document)]
    while waiting and len(found) < MOST_EXTRACTED:
        prefix, value = waiting.pop()
        if isinstance(value, dict):
            joined = f"{prefix}_" if prefix else ""
            waiting += [(joined + label_name(str(key)), one) for key, one in value.items()]
        elif not isinstance(value, list) and value is not None:
            found[prefix] = text_of(value)
    if wanted:
        return {
            label: found.get(label_name(place.replace("[", "_").replace("]", "")), "")
            for label, place in wanted
        }
    return found


def logfmt_labels(text: str, wanted: Sequence[tuple[str, str]]) -> dict[str, str] | str:
    """Of words such as `level=warn msg="slow cart"`."""
    found: dict[str, str] = {}
    for name, value in _LOGFMT.findall(text):
        if len(found) >= MOST_EXTRACTED:
            break
        if value.startswith('"'):
            try:
                value = str(json.loads(value))
            except ValueError:
                return "LogfmtParserErr"
        if value:
            found[label_name(name)] = value
    if wanted:
        return {label: found.get(label_name(place), "") for label, place in wanted}
    return found


def capturing(parser: str, text: str) -> Callable[[str], Captured]:
    """What takes labels from a line by `| regexp` or `| pattern`. The text was checked."""
    if parser == "pattern":
        pattern = line_pattern(text, needs_name=True)
        assert isinstance(pattern, LinePattern)
        return pattern.captured
    options = re2.Options()
    options.max_mem = 8 << 20
    options.log_errors = False
    expression = re2.compile(text, options)

    def capture(line: str) -> Captured:
        match = expression.search(line)
        if match is None:
            return {}
        return {name: value for name, value in match.groupdict().items() if value}

    return capture


def number_in(text: str, unit: str) -> float | None:
    """The number of a label: plain, or in seconds of a `duration`, or in `bytes`."""
    if unit == "duration":
        return seconds_of(text)
    return bytes_of(text) if unit == "bytes" else plain_number(text)
