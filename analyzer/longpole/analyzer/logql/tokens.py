"""Cuts LogQL into tokens."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from longpole.analyzer.logql.refusals import ParseError

NS_OF_UNIT = {
    "ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9,
    "h": 3600 * 10**9, "d": 86_400 * 10**9, "w": 604_800 * 10**9, "y": 31_536_000 * 10**9,
}  # fmt: skip
_BYTES = {
    "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
_BLANK = re.compile(r"(?:\s|#[^\n]*)*")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|`[^`]*`', re.DOTALL)
_PIECE = r"\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d|w|y)"
_DURATION = re.compile(rf"(?:{_PIECE})+(?![\w.])")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([kKmMgGtT]?i?[bB])(?![\w.])")
_NUMBER = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])")
_NAME = re.compile(r"[A-Za-z_]\w*")
_OPERATOR = re.compile(r"\|=|\|~|\|>|!=|!~|!>|=~|==|>=|<=|[|={}()\[\],<>+\-*/%^]")
_ONE = re.compile(r"(\d+)(?:\.(\d+))?(ns|us|µs|ms|s|m|h|d|w|y)")


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is string, number, duration (in nanoseconds), size (in bytes), name, operator or
    end."""

    kind: str
    text: str
    at: int
    value: str | float | int = ""


def tokens_of(text: str) -> list[Token]:
    """Every token, then one of kind end. Raises `ParseError`."""
    found: list[Token] = []
    at = 0
    while True:
        blank = _BLANK.match(text, at)
        at = blank.end() if blank else at
        if at >= len(text):
            found.append(Token("end", "", len(text)))
            return found
        token = _token(text, at)
        found.append(token)
        at += len(token.text)


def _token(text: str, at: int) -> Token:
    if text[at] in '"`':
        string = _STRING.match(text, at)
        if string is None:
            raise ParseError("syntax error: literal not terminated", text, at)
        return Token("string", string.group(), at, _unquoted(string.group(), text, at))
    if (duration := _DURATION.match(text, at)) is not None:
        return Token("duration", duration.group(), at, nanoseconds(duration.group()))
    if (size := _SIZE.match(text, at)) is not None:
        number = float(size.group(1)) * _BYTES[size.group(2).lower()]
        return Token("size", size.group(), at, number)
    if (digits := _NUMBER.match(text, at)) is not None:
        return Token("number", digits.group(), at, float(digits.group()))
    if (name := _NAME.match(text, at)) is not None:
        return Token("name", name.group(), at)
    if (operator := _OPERATOR.match(text, at)) is not None:
        return Token("operator", operator.group(), at)
    raise ParseError(f"syntax error: unexpected {text[at]!r}", text, at)


def nanoseconds(written: str) -> int:
    """A duration such as `1h30m`; exact, never through a float."""
    return sum(
        int(whole) * NS_OF_UNIT[unit] + int(part or "0") * NS_OF_UNIT[unit] // 10 ** len(part)
        for whole, part, unit in _ONE.findall(written)
    )


def number_of(text: str) -> float | None:
    """The number that a label says: plain, a duration in seconds or a size in bytes."""
    if _NUMBER.fullmatch(text.removeprefix("-")):
        return float(text)
    if _DURATION.fullmatch(text):
        return nanoseconds(text) / 1e9
    size = _SIZE.fullmatch(text)
    return float(size.group(1)) * _BYTES[size.group(2).lower()] if size else None


def plain_number(text: str) -> float | None:
    """A number without a unit."""
    return float(text) if _NUMBER.fullmatch(text[1:] if text[:1] in "+-" else text) else None


def seconds_of(text: str) -> float | None:
    """The seconds of a duration, which may be below 0."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text)
    if rest == "0":
        return 0.0
    return sign * nanoseconds(rest) / 1e9 if _DURATION.fullmatch(rest) else None


def bytes_of(text: str) -> float | None:
    """The bytes of a size; a number alone is bytes."""
    found = number_of(text.replace(" ", ""))
    return None if found is None or _DURATION.fullmatch(text) else found


def _unquoted(quoted: str, text: str, at: int) -> str:
    if quoted[0] == "`":
        return quoted[1:-1]
    try:
        # What Go allows in a string and JSON does not, apart from \x and octal escapes.
        inner = quoted.replace("\\'", "'").replace("\\a", "\\u0007").replace("\\v", "\\u000b")
        return str(json.loads(inner.replace("\t", "\\t")))
    except ValueError:
        raise ParseError("invalid escape sequence", text, at) from None
