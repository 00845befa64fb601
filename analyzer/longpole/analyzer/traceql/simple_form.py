"""TraceQL's simple form: `{ resource.service.name = "cart" && duration > 200ms }`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from longpole.model.ids import InvalidId, parse_span_id, parse_trace_id, span_id_hex, trace_id_hex
from longpole.model.problem import LongpoleError
from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.model.span import SpanKind, StatusCode
from longpole.model.timerange import TimeRange

Value: TypeAlias = str | int | float | bool

NS_OF_UNIT = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
# Every spelling of a field that is no attribute; the first one of a field is written back.
FIELDS: dict[str, Field] = {
    "name": Field.NAME,
    "span:name": Field.NAME,
    "kind": Field.KIND,
    "span:kind": Field.KIND,
    "status": Field.STATUS,
    "span:status": Field.STATUS,
    "statusMessage": Field.STATUS_MESSAGE,
    "span:statusMessage": Field.STATUS_MESSAGE,
    "duration": Field.DURATION,
    "span:duration": Field.DURATION,
    "resource.service.name": Field.SERVICE,
    "span:id": Field.SPAN_ID,
    "trace:id": Field.TRACE_ID,
    "trace:duration": Field.TRACE_DURATION,
    "traceDuration": Field.TRACE_DURATION,
    "trace:rootName": Field.ROOT_NAME,
    "rootName": Field.ROOT_NAME,
    "trace:rootService": Field.ROOT_SERVICE,
    "rootServiceName": Field.ROOT_SERVICE,
}
KINDS = {kind.name.lower(): int(kind) for kind in SpanKind}
STATUSES = {"unset": 0, "ok": int(StatusCode.OK), "error": int(StatusCode.ERROR)}
_SCOPES = (Field.SPAN_ATTRIBUTE, Field.RESOURCE_ATTRIBUTE, Field.ANY_ATTRIBUTE)
_DURATIONS = (Field.DURATION, Field.TRACE_DURATION)
_EQUALITY = (Comparison.EQ, Comparison.NE)
_REGEXES = (Comparison.MATCH, Comparison.NOT_MATCH)

_BLANK = re.compile(r"\s*")
_NAME = re.compile(r"[A-Za-z_.:][\w.:/\-@]*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`', re.DOTALL)
_COMPARISON = re.compile(r"!=|<=|>=|=~|!~|=|<|>")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_DURATION = re.compile(r"([+-]?\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)(?![A-Za-z])")
_WORD_END = re.compile(r"(?![\w.])")
_SEVERAL = "joining several { ... } is not supported yet: put the conditions into one"
_LATER = {
    "||": "`||` is not supported yet: only conditions joined by && are",
    "|": "pipelines (`| ...`) are not supported yet: only one { ... } is",
    ">>": "structural operators are not supported yet: only one { ... } is",
    "<<": "structural operators are not supported yet: only one { ... } is",
    ">": "structural operators are not supported yet: only one { ... } is",
    "<": "structural operators are not supported yet: only one { ... } is",
    "~": "structural operators are not supported yet: only one { ... } is",
    "(": "parentheses are not supported yet: join conditions with && only",
    "!": "`!` is not supported yet: use != or !~",
}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "/": "/"}


class QuerySyntaxError(LongpoleError):
    """A query that does not parse. The message has the query with a caret under the place;
    `position` counts characters from 0."""

    def __init__(self, reason: str, text: str, position: int) -> None:
        line_start = text.rfind("\n", 0, position) + 1
        line_end = text.find("\n", position)
        line = text[line_start : line_end if line_end >= 0 else len(text)]
        caret = " " * (position - line_start) + "^"
        super().__init__(f"{reason}, at position {position + 1}\n  {line}\n  {caret}")
        self.reason = reason
        self.position = position


def parse_query(text: str, time: TimeRange | None = None, limit: int | None = 20) -> TraceQuery:
    """The query behind a text; an empty text and `{}` match everything.

    Durations become integer nanoseconds, kinds and statuses OTLP's numbers, ids lower-case
    hex. Raises `QuerySyntaxError`.
    """
    conditions = _Parser(text).conditions() if text.strip() else ()
    return TraceQuery(conditions, time or TimeRange(), limit)


def format_query(query: TraceQuery) -> str:
    """The text that `parse_query` turns into the same conditions (time and limit are not part
    of the text)."""
    if not query.conditions:
        return "{}"
    return "{ " + " && ".join(_condition_text(c) for c in query.conditions) + " }"


def field_text(field: Field, key: str = "") -> str:
    """How a query names a field or an attribute."""
    if field not in _SCOPES:
        return next(name for name, known in FIELDS.items() if known is field)
    text = field.value + _key_text(key)
    if field is Field.RESOURCE_ATTRIBUTE and text in FIELDS:
        return f"{field.value}{_string_text(key)}"
    return text


def value_text(field: Field, value: Value) -> str:
    """How a query writes a value that a field is compared with."""
    return _value_text(value) if field in _SCOPES else _field_value_text(field, value)


def _condition_text(condition: Condition) -> str:
    left = field_text(condition.field, condition.key)
    right = value_text(condition.field, condition.value)
    return f"{left} {condition.comparison.value} {right}"


def _key_text(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z_][\w.:/\-@]*", key) else _string_text(key)


def _string_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r") + '"'


def _value_text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _string_text(value) if isinstance(value, str) else repr(value)


def _field_value_text(field: Field, value: Value) -> str:
    if field in _DURATIONS:
        return f"{value}ns"
    names = KINDS if field is Field.KIND else STATUSES if field is Field.STATUS else {}
    return next((n for n, number in names.items() if number == value), _value_text(value))


@dataclass(slots=True)
class _Parser:
    text: str
    at: int = 0

    def conditions(self) -> tuple[Condition, ...]:
        self._expect("{", "a query starts with {")
        found: list[Condition] = []
        self._blanks()
        if not self._take("}"):
            while True:
                condition = self._condition()
                if condition is not None:
                    found.append(condition)
                self._blanks()
                if self._take("}"):
                    break
                self._refuse_later()
                self._expect("&&", "expected && or }")
        self._blanks()
        if self.at < len(self.text):
            if self.text.startswith("&&", self.at):
                raise self._error(_SEVERAL)
            self._refuse_later()
            raise self._error("nothing may follow the closing }")
        return tuple(found)

    def _condition(self) -> Condition | None:
        self._blanks()
        begin = self.at
        if self._word("true"):
            return None
        if self._word("false"):
            raise self._error("a query that matches nothing is not supported", begin)
        field, key = self._field()
        self._blanks()
        comparison_at = self.at
        operator = _COMPARISON.match(self.text, self.at)
        if operator is None:
            self._refuse_later()
            raise self._error("expected a comparison: = != < <= > >= =~ !~")
        self.at = operator.end()
        comparison = Comparison(operator.group())
        self._blanks()
        value_at = self.at
        is_id_pattern = comparison in _REGEXES and field in (Field.TRACE_ID, Field.SPAN_ID)
        value = self._string("a pattern") if is_id_pattern else self._value(field)
        if comparison in _REGEXES and not isinstance(value, str):
            raise self._error(f"{comparison.value} needs a text in quotes", value_at)
        if comparison in _REGEXES and field in (Field.KIND, Field.STATUS):
            raise self._error(f"{field.value} is compared with = and !=", comparison_at)
        if isinstance(value, bool) and comparison not in _EQUALITY:
            raise self._error("true and false are compared with = and !=", comparison_at)
        return Condition(field, comparison, value, key)

    def _field(self) -> tuple[Field, str]:
        begin = self.at
        for scope in _SCOPES:
            if self.text.startswith(scope.value + '"', begin):
                self.at = begin + len(scope.value)
                return scope, self._string("an attribute key")
        name = _NAME.match(self.text, begin)
        if name is None:
            self._refuse_later()
            raise self._error("expected a field such as name, duration or span.http.route")
        self.at = name.end()
        word = name.group()
        known = FIELDS.get(word)
        if known is not None:
            return known, ""
        for scope in _SCOPES:
            if word.startswith(scope.value) and len(word) > len(scope.value):
                return scope, word[len(scope.value) :]
        raise self._error(
            f"unknown field {word[:60]!r}; attributes are written span.{word[:60].strip('.:')}, "
            f"resource.{word[:60].strip('.:')} or .{word[:60].strip('.:')}",
            begin,
        )

    def _value(self, field: Field) -> Value:
        begin = self.at
        reader = _READERS.get(field)
        if reader is not None:
            return reader(self, begin)
        if field in _SCOPES:
            return self._any_value()
        return self._string(f"a text in quotes for {field.value}")

    def _duration_value(self, begin: int) -> int:
        found = _DURATION.match(self.text, begin)
        if found is None:
            raise self._error("expected a duration with a unit, such as 200ms or 1.5s", begin)
        self.at = found.end()
        return _nanoseconds(*found.groups())

    def _kind_value(self, begin: int) -> int:
        return self._one_of(KINDS, "kind", begin)

    def _status_value(self, begin: int) -> int:
        return self._one_of(STATUSES, "status", begin)

    def _trace_id_value(self, begin: int) -> str:
        try:
            return trace_id_hex(parse_trace_id(self._string("a trace id in quotes")))
        except InvalidId as error:
            raise self._error(str(error), begin) from None

    def _span_id_value(self, begin: int) -> str:
        try:
            return span_id_hex(parse_span_id(self._string("a span id in quotes")))
        except InvalidId as error:
            raise self._error(str(error), begin) from None

    def _any_value(self) -> Value:
        if self._word("true"):
            return True
        if self._word("false"):
            return False
        duration = _DURATION.match(self.text, self.at)
        if duration is not None:
            self.at = duration.end()
            return _nanoseconds(*duration.groups())
        number = _NUMBER.match(self.text, self.at)
        if number is not None and _WORD_END.match(self.text, number.end()):
            self.at = number.end()
            return _number(number.group())
        if self.text[self.at : self.at + 1] not in ('"', "`"):
            word = _NAME.match(self.text, self.at)
            hint = f': write "{word.group()[:60]}"' if word else ""
            raise self._error(f"expected a text in quotes, a number, true or false{hint}")
        return self._string("a value")

    def _one_of(self, names: dict[str, int], noun: str, begin: int) -> int:
        word = _NAME.match(self.text, begin)
        if word is not None and word.group() in names:
            self.at = word.end()
            return names[word.group()]
        number = re.compile(r"-?\d{1,9}(?![\w.])").match(self.text, begin)
        if number is not None:  # values that OTLP may define later
            self.at = number.end()
            return int(number.group())
        raise self._error(f"{noun} is one of {', '.join(names)}, without quotes", begin)

    def _string(self, noun: str) -> str:
        found = _STRING.match(self.text, self.at)
        if found is None:
            if self.text[self.at : self.at + 1] in ('"', "`"):
                raise self._error("this text has no closing quote")
            raise self._error(f"expected {noun}")
        begin, self.at = self.at, found.end()
        inner = found.group()[1:-1]
        if found.group()[0] == "`":
            return inner
        parts: list[str] = []
        place = 0
        while place < len(inner):
            if inner[place] == "\\":
                if inner[place + 1] not in _ESCAPES:
                    reason = f"unknown escape \\{inner[place + 1]}; use `...` for texts as they are"
                    raise self._error(reason, begin + 1 + place)
                parts.append(_ESCAPES[inner[place + 1]])
                place += 2
            else:
                parts.append(inner[place])
                place += 1
        return "".join(parts)

    def _blanks(self) -> None:
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def _take(self, token: str) -> bool:
        if not self.text.startswith(token, self.at):
            return False
        self.at += len(token)
        return True

    def _word(self, word: str) -> bool:
        end = self.at + len(word)
        if self.text.startswith(word, self.at) and _WORD_END.match(self.text, end):
            self.at = end
            return True
        return False

    def _expect(self, token: str, reason: str) -> None:
        self._blanks()
        if not self._take(token):
            raise self._error(reason)

    def _refuse_later(self) -> None:
        for token, reason in _LATER.items():
            if self.text.startswith(token, self.at):
                raise self._error(reason)

    def _error(self, reason: str, position: int | None = None) -> QuerySyntaxError:
        return QuerySyntaxError(reason, self.text, self.at if position is None else position)


_READERS: dict[Field, Callable[[_Parser, int], Value]] = {
    Field.DURATION: _Parser._duration_value,
    Field.TRACE_DURATION: _Parser._duration_value,
    Field.KIND: _Parser._kind_value,
    Field.STATUS: _Parser._status_value,
    Field.TRACE_ID: _Parser._trace_id_value,
    Field.SPAN_ID: _Parser._span_id_value,
}


def _nanoseconds(amount: str, unit: str) -> int:
    """Exact: decimal digits are shifted, never rounded through a float."""
    whole, _, fraction = amount.partition(".")
    scale = NS_OF_UNIT[unit]
    shift: int = 10 ** len(fraction)
    part = int(fraction or "0") * scale // shift
    return int(whole) * scale + (-part if amount.startswith("-") else part)


def _number(text: str) -> int | float:
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
