"""Text of a Go template to tokens: literal text, and what stands between `{{` and `}}`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from longpole.analyzer.alerting.template_nodes import TemplateError

_TRIM_LEFT = re.compile(r"\{\{(?:-[ \t\r\n])?")
_COMMENT = re.compile(r"\{\{(-[ \t\r\n]+)?/\*.*?\*/([ \t\r\n]+-)?\}\}", re.DOTALL)
_CLOSE = re.compile(r"[ \t\r\n]+-\}\}|\}\}")
_SPACE = re.compile(r"[ \t\r\n]+")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_RAW = re.compile(r"`[^`]*`")
_CHARACTER = re.compile(r"'(?:[^'\\\n]|\\.[0-9a-fA-F]*)'")
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+"
    r"|(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9_]+)?)"
)
_FIELD = re.compile(r"\.(?:[^\W\d]\w*)?")
_VARIABLE = re.compile(r"\$\w*")
_WORD = re.compile(r"[^\W\d]\w*")
_SIGN = re.compile(r":=|=|\||\(|\)|,")


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is text, open, close, space, string, raw, character, number, field, variable, word,
    end, or the sign itself."""

    kind: str
    text: str
    at: int


def line_error(name: str, text: str, at: int, message: str) -> TemplateError:
    """What is wrong with the text, as Go words it."""
    return TemplateError(f"template: {name}:{text.count(chr(10), 0, at) + 1}: {message}")


def template_tokens(name: str, text: str) -> Iterator[Token]:
    """All tokens, the last one of kind `end`. Raises `TemplateError`."""
    at = 0
    is_trimming = False
    while True:
        opening = text.find("{{", at)
        piece = text[at : opening if opening >= 0 else len(text)]
        comment = _COMMENT.match(text, opening) if opening >= 0 else None
        opened = _TRIM_LEFT.match(text, opening) if opening >= 0 else None
        if is_trimming:
            piece = piece.lstrip(" \t\r\n")
        if opened and opened[0] != "{{":
            piece = piece.rstrip(" \t\r\n")
        if piece:
            yield Token("text", piece, at)
        if opening < 0 or opened is None:
            yield Token("end", "", len(text))
            return
        if comment:
            at, is_trimming = comment.end(), comment[2] is not None
            continue
        if text.startswith("/*", opened.end()):
            raise line_error(name, text, opened.end(), "unclosed comment")
        yield Token("open", "{{", opening)
        at = opened.end()
        depth = 0
        while True:
            close = _CLOSE.match(text, at)
            if close:
                if depth:
                    raise line_error(name, text, at, "unclosed left paren")
                yield Token("close", close[0], at)
                at, is_trimming = close.end(), close[0] != "}}"
                break
            token = _inside(name, text, at)
            depth += {"(": 1, ")": -1}.get(token.kind, 0)
            if depth < 0:
                raise line_error(name, text, at, "unexpected right paren")
            yield token
            at += len(token.text)


def _inside(name: str, text: str, at: int) -> Token:
    """One token between the delimiters."""
    if at >= len(text):
        raise line_error(name, text, at, "unclosed action")
    character = text[at]
    patterns: tuple[tuple[str, re.Pattern[str]], ...]
    if character == "." and text[at + 1 : at + 2].isdigit():
        patterns = (("number", _NUMBER),)
    else:
        patterns = (
            ("space", _SPACE), ("string", _STRING), ("raw", _RAW), ("character", _CHARACTER),
            ("field", _FIELD), ("variable", _VARIABLE), ("number", _NUMBER), ("word", _WORD),
            ("sign", _SIGN),
        )  # fmt: skip
    for kind, pattern in patterns:
        match = pattern.match(text, at)
        if match and match[0]:
            end = match.end()
            following = text[end : end + 1]
            if kind == "number" and (following.isalnum() or following == "_"):
                odd = re.compile(r"[\w.]+").match(text, at)
                raise line_error(
                    name, text, at, f'bad number syntax: "{odd[0][:40] if odd else character}"'
                )
            if kind in ("field", "variable", "word") and not _is_ended(following):
                raise line_error(
                    name, text, end, f"bad character U+{ord(following):04X} '{following}'"
                )
            return Token(match[0] if kind == "sign" else kind, match[0], at)
    if character in "\"`'":
        noun = {'"': "quoted string", "`": "raw quoted string", "'": "character constant"}
        raise line_error(name, text, at, f"unterminated {noun[character]}")
    raise line_error(name, text, at, f"unexpected U+{ord(character):04X} '{character}' in command")


def _is_ended(following: str) -> bool:
    return not following or following in " \t\r\n.,|:)(}=" or following == "-"
