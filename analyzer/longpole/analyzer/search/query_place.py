"""Where in a query the cursor is: what may stand there, and what is already written of it.

{ resource.service.name = "ca| && …        expects a value, "ca is written of it
  └──────── field ────┘ │ └ begin
                        comparison
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from longpole.analyzer.traceql import QuerySyntaxError, parse_query
from longpole.model.query import Field

# Longer than any query that a person types; beyond it nothing is offered.
LONGEST = 4_000
_FIELD = re.compile(r'(?:span\.|resource\.|\.)"(?:[^"\\]|\\.)*"?|[\w.:/\-@]*')
_COMPARISON = re.compile(r"[!=<>~]*")
_VALUE = re.compile(r'"(?:[^"\\]|\\.)*"?|`[^`]*`?|[^\s"`&|}]*')
_JOIN = re.compile(r"[&|}]*")
_BLANK = re.compile(r"\s*")


class Expects(StrEnum):
    """What may stand at a place."""

    FIELD = "field"
    COMPARISON = "comparison"
    VALUE = "value"
    JOIN = "join"
    NOTHING = "nothing"


_NEXT = {
    Expects.FIELD: (Expects.COMPARISON, _FIELD),
    Expects.COMPARISON: (Expects.VALUE, _COMPARISON),
    Expects.VALUE: (Expects.JOIN, _VALUE),
    Expects.JOIN: (Expects.FIELD, _JOIN),
}


@dataclass(frozen=True, slots=True)
class QueryPlace:
    """`begin` to `end` is what a completion replaces, `written` what of it stands before the
    cursor. `has_brace` is false when the text has to be opened first."""

    expects: Expects
    begin: int
    end: int
    written: str
    field: str = ""
    comparison: str = ""
    has_brace: bool = True


def place_at(text: str, cursor: int) -> QueryPlace:
    """What a cursor after `cursor` characters stands in. Never raises."""
    cursor = max(0, min(cursor, len(text)))
    nothing = QueryPlace(Expects.NOTHING, cursor, cursor, "")
    if len(text) > LONGEST:
        return nothing
    at = _blank(text, 0)
    has_brace = text.startswith("{", at)
    if has_brace and cursor <= at:
        return nothing
    at += has_brace
    expects, last = Expects.FIELD, {Expects.FIELD: "", Expects.COMPARISON: ""}
    while True:
        begin = _blank(text, at)
        following, pattern = _NEXT[expects]
        found = pattern.match(text, begin)
        end = found.end() if found else begin
        if cursor < begin:
            return QueryPlace(expects, cursor, cursor, "", *_told(last), has_brace)
        if cursor <= end and not _is_done(expects, text[begin:end], cursor == end):
            written = text[begin:cursor]
            return QueryPlace(expects, begin, end, written, *_told(last), has_brace)
        if end == begin or "}" in text[begin:end] and expects is Expects.JOIN:
            return nothing
        last[expects] = text[begin:end]
        at, expects = end, following


def _told(last: dict[Expects, str]) -> tuple[str, str]:
    return last[Expects.FIELD], last[Expects.COMPARISON]


def _is_done(expects: Expects, token: str, is_at_end: bool) -> bool:
    """Whether a cursor right after a token belongs to what follows: after a closed string, say."""
    if not is_at_end or not token:
        return False
    if expects is Expects.VALUE:
        return len(token) > 1 and token[0] in '"`' and token[-1] == token[0]
    if expects is Expects.COMPARISON:
        return token in ("<=", ">=", "!=", "=~", "!~", "=", "<", ">")
    return expects is Expects.JOIN and token in ("&&", "}")


def _blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def field_of(text: str) -> tuple[Field, str] | None:
    """The field behind what is written of one; None for none that there is."""
    for value in ('"x"', "1ms", "error", "client", f'"{"0" * 31}1"', f'"{"0" * 15}1"'):
        try:
            (condition,) = parse_query(f"{{ {text} = {value} }}").conditions
        except (QuerySyntaxError, ValueError):
            continue
        return condition.field, condition.key
    return None
