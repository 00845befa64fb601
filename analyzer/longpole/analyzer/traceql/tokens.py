"""Cuts TraceQL into tokens; an attribute with its scope is one of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from longpole.analyzer.traceql.refusals import ParseError

Value: TypeAlias = str | int | float
SCOPES = ("span", "resource", "event", "link", "instrumentation")
NS_OF_UNIT = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9,
    "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9, "w": 7 * 86_400 * 10**9,
    "y": 365 * 86_400 * 10**9,
}  # fmt: skip

_BLANK = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_ATTRIBUTE = re.compile(
    r"(parent\.)?(?:(span|resource|event|link|instrumentation)(?=\.))?(?:(?<=parent\.)|\.)(?=\S)"
)
_KEY_PART = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s{}()=~!<>&|^,"]+)', re.DOTALL)
_PIECE = r"\d+(?:\.\d*)?(?:ns|us|µs|μs|ms|s|m|h|d|w|y)"
_DURATION = re.compile(rf"(?:{_PIECE})+(?![\w.])")
_ONE_PIECE = re.compile(r"(\d+)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h|d|w|y)")
_NUMBER = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|`[^`]*`', re.DOTALL)
_WORD = re.compile(r"[A-Za-z_]\w*(?::[A-Za-z]+)?")
_OPERATOR = re.compile(
    r"!>>|!<<|&>>|&<<|>>|<<|>=|<=|!=|=~|!~|!>|!<|&>|&<|&~|&&|\|\||[=<>~+\-*/%^!|{}(),]"
)
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[0-7]{3}|.)", re.DOTALL)
_PLAIN_ESCAPES = {
    "n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", '"': '"',
    "\\": "\\", "'": "'",
}  # fmt: skip


class TokenKind(StrEnum):
    """What a token is; words are keywords and names of intrinsics."""

    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    DURATION = "duration"
    ATTRIBUTE = "attribute"
    WORD = "word"
    OPERATOR = "operator"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """One token. `value` is the string without quotes, the number, nanoseconds, or the key of an
    attribute, which is of `scope` ("" for any) and, with `is_parent`, of the parent span."""

    kind: TokenKind
    text: str
    at: int
    value: Value = ""
    scope: str = ""
    is_parent: bool = False


def tokens_of(text: str) -> list[Token]:
    """Every token, then one of kind END. Raises `ParseError`."""
    found: list[Token] = []
    at = 0
    while True:
        blank = _BLANK.match(text, at)
        at = blank.end() if blank else at
        if at >= len(text):
            found.append(Token(TokenKind.END, "", len(text)))
            return found
        token, at = _token(text, at)
        found.append(token)


def _token(text: str, at: int) -> tuple[Token, int]:
    if text[at] in '"`':
        return _string(text, at)
    duration = _DURATION.match(text, at)
    if duration is not None:
        value: Value = nanoseconds(duration.group(), text, at)
        return Token(TokenKind.DURATION, duration.group(), at, value), duration.end()
    number = _NUMBER.match(text, at)
    if number is not None:
        return _number(number.group(), text, at), number.end()
    attribute = _ATTRIBUTE.match(text, at)
    if attribute is not None:
        return _attribute(text, at, attribute)
    word = _WORD.match(text, at)
    if word is not None:
        return Token(TokenKind.WORD, word.group(), at), word.end()
    operator = _OPERATOR.match(text, at)
    if operator is None:
        raise ParseError(f"unexpected {text[at]!r}", text, at)
    return Token(TokenKind.OPERATOR, operator.group(), at), operator.end()


def _attribute(text: str, at: int, start: re.Match[str]) -> tuple[Token, int]:
    parts: list[str] = []
    end = start.end()
    while (piece := _KEY_PART.match(text, end)) is not None:
        quoted, plain = piece.groups()
        parts.append(plain if quoted is None else _unescaped(quoted, text, end))
        end = piece.end()
    if text[end : end + 1] == '"':
        raise ParseError("the key of this attribute has no closing quote", text, end)
    if not parts:
        raise ParseError("syntax error: expected the key of an attribute", text, end)
    is_parent, scope = start.groups()
    key = "".join(parts)
    token = Token(TokenKind.ATTRIBUTE, text[at:end], at, key, scope or "", bool(is_parent))
    return token, end


def _string(text: str, at: int) -> tuple[Token, int]:
    found = _STRING.match(text, at)
    if found is None:
        raise ParseError("literal not terminated", text, at)
    inner = found.group()[1:-1]
    value = inner if found.group()[0] == "`" else _unescaped(inner, text, at)
    return Token(TokenKind.STRING, found.group(), at, value), found.end()


def _unescaped(inner: str, text: str, at: int) -> str:
    def replaced(found: re.Match[str]) -> str:
        escape = found.group(1)
        if escape in _PLAIN_ESCAPES:
            return _PLAIN_ESCAPES[escape]
        if escape[0] in "xuU" and len(escape) > 1:
            code = int(escape[1:], 16)
        elif len(escape) == 3:
            code = int(escape, 8)
        else:
            raise ParseError(f"invalid escape sequence \\{escape}", text, at)
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise ParseError(f"invalid escape sequence \\{escape}", text, at)
        return chr(code)

    return _ESCAPE.sub(replaced, inner) if "\\" in inner else inner


def _number(digits: str, text: str, at: int) -> Token:
    if digits.isdigit():
        if len(digits) > 19 or int(digits) >= 2**63:
            raise ParseError(f"{digits[:40]} does not fit 64 bits", text, at)
        return Token(TokenKind.INTEGER, digits, at, int(digits))
    return Token(TokenKind.FLOAT, digits, at, float(digits))


def nanoseconds(written: str, text: str, at: int) -> int:
    """A duration such as `1h30m` or `1.5s` in nanoseconds; exact, never through a float."""
    total = 0
    for whole, fraction, unit in _ONE_PIECE.findall(written):
        scale = NS_OF_UNIT[unit]
        total += int(whole) * scale + int(fraction or "0") * scale // 10 ** len(fraction)
    if total >= 2**63:
        raise ParseError(f"{written[:40]} is too long a duration", text, at)
    return total
