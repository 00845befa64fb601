"""Text of a PromQL query to tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from longpole.analyzer.promql.refusals import QueryError


class Kind(StrEnum):
    """What a token is. Operators and brackets are their own text."""

    NUMBER = "number"
    DURATION = "duration"
    STRING = "string"
    NAME = "name"
    SIGN = "sign"
    END = "end of input"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text from `start` to `end`; `value` of a string is unquoted."""

    kind: Kind
    text: str
    start: int
    end: int
    value: str = ""


UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000,
            "w": 604_800_000, "y": 31_536_000_000}  # fmt: skip
LONGEST_MS = 2**53

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
# Units from large to small, each at most once, as Prometheus writes durations.
_DURATION = re.compile(
    r"(?=\d)(?:\d+y)?(?:\d+w)?(?:\d+d)?(?:\d+h)?(?:\d+m(?!s))?(?:\d+s)?(?:\d+ms)?(?![A-Za-z0-9_.])"
)
_NUMBER = re.compile(
    r"0[xX][0-9a-fA-F]+(?:_[0-9a-fA-F]+)*"
    r"|(?:\d+(?:_\d+)*(?:\.(?:\d+(?:_\d+)*)?)?|\.\d+(?:_\d+)*)(?:[eE][+-]?\d+)?"
)
_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_SIGN = re.compile(r"==|!=|=~|!~|<=|>=|[-+*/%^<>=@(){}\[\],:]")
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|`[^`]*`')
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\'\"])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))",
    re.DOTALL,
)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def tokens_of(text: str) -> list[Token]:
    """All tokens, the last one of kind END. Raises `QueryError`."""
    found: list[Token] = []
    at = 0
    is_in_range = False
    while True:
        match = _BLANK.match(text, at)
        at = match.end() if match else at
        if at >= len(text):
            found.append(Token(Kind.END, "", len(text), len(text)))
            return found
        token = _token(text, at, is_in_range)
        found.append(token)
        if token.text in ("[", "]"):
            is_in_range = token.text == "["
        at = token.end


def _token(text: str, at: int, is_in_range: bool) -> Token:
    character = text[at]
    if character in "\"'`":
        match = _QUOTED.match(text, at)
        if match is None:
            raise QueryError("unterminated quoted string", text, at)
        value = unquoted(match[0], text, at)
        return Token(Kind.STRING, match[0], at, match.end(), value)
    if character.isdigit() or (character == "." and text[at + 1 : at + 2].isdigit()):
        duration, number = _DURATION.match(text, at), _NUMBER.match(text, at)
        if duration and duration[0]:
            return Token(Kind.DURATION, duration[0], at, duration.end())
        end = number.end() if number else at
        if number is None or (_NAME.match(text, end) and text[end] != ":"):
            bad = re.compile(r"[\w.]+").match(text, at)
            shown = bad[0][:40] if bad else character
            raise QueryError(f"bad number or duration syntax: {shown!r}", text, at)
        return Token(Kind.NUMBER, number[0], at, end)
    # Names of recorded series hold colons; between brackets one parts range and step.
    is_parting = character == ":" and is_in_range
    match = None if is_parting else _NAME.match(text, at)
    if match:
        return Token(Kind.NAME, match[0], at, match.end())
    match = _SIGN.match(text, at)
    if match:
        return Token(Kind.SIGN, match[0], at, match.end())
    raise QueryError(f"unexpected character: {character!r}", text, at)


def unquoted(quoted: str, text: str, at: int) -> str:
    """What a quoted string says; `text` and `at` tell where it stands. Raises `QueryError`."""
    body = quoted[1:-1]
    if quoted[0] == "`" or "\\" not in body:
        return body
    pieces: list[bytes] = []
    last = 0
    for match in _ESCAPE.finditer(body):
        pieces.append(body[last : match.start()].encode("utf-8", "surrogatepass"))
        last = match.end()
        simple, hexa, octal, short, long, odd = match.groups()
        if odd is not None or (simple in ("'", '"') and simple != quoted[0]):
            raise QueryError(f"unknown escape sequence \\{odd or simple}", text, at)
        if simple is not None:
            pieces.append(_SIMPLE.get(simple, simple).encode())
        elif hexa is not None or octal is not None:
            value = int(hexa, 16) if hexa is not None else int(octal, 8)
            if value > 255:
                raise QueryError("octal escape above 255", text, at)
            pieces.append(bytes([value]))
        else:
            value = int(short or long, 16)
            if value > 0x10FFFF or 0xD800 <= value < 0xE000:
                raise QueryError("escape is no valid Unicode code point", text, at)
            pieces.append(chr(value).encode())
    pieces.append(body[last:].encode("utf-8", "surrogatepass"))
    return b"".join(pieces).decode("utf-8", "replace")


def duration_ms(text: str) -> int:
    """Milliseconds of `1h30m`; ValueError for text that is none."""
    if not text or not _DURATION.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no duration")
    return sum(int(n) * UNITS_MS[unit] for n, unit in re.findall(r"(\d+)(ms|[smhdwy])", text))


def number_of(text: str) -> float:
    """The value of a number token."""
    plain = text.replace("_", "")
    if plain[:2] in ("0x", "0X"):
        return float(int(plain, 16)) if len(plain) < 250 else float("inf")
    # As Go reads it: a leading zero makes an integer octal, unless it cannot be one.
    if len(plain) > 1 and plain[0] == "0" and re.fullmatch(r"[0-7]+", plain):
        return float(int(plain, 8))
    return float(plain)
