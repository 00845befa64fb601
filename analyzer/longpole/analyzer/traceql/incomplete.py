"""What can be made of a query that somebody is still typing."""

from __future__ import annotations

from longpole.analyzer.traceql.expressions import Measured, Pipeline, SpansetFilter, Static, Type
from longpole.analyzer.traceql.parsing import parse
from longpole.analyzer.traceql.refusals import ParseError, TraceQLError
from longpole.analyzer.traceql.tokens import Token, TokenKind, tokens_of

EVERY_SPAN = Pipeline((SpansetFilter(Static(Type.BOOL, True)),))


def as_far_as_it_goes(text: str) -> Pipeline:
    """The spans that a query means, even an unfinished one: of `{ a = 1 && b = }` those with a = 1.
    Every span when nothing can be told. Never raises for a text."""
    whole = _pipeline(text)
    if whole is not None:
        return whole
    tokens = _tokens(text)
    begin = next((n for n, token in enumerate(tokens) if token.text == "{"), None)
    if begin is None:
        return EVERY_SPAN
    parts = _parts(tokens[begin + 1 :])
    if parts is None:
        return EVERY_SPAN
    kept = [
        part
        for part in (text[a:b] for a, b in parts)
        if part.strip() and _pipeline("{" + part + "}")
    ]
    return _pipeline("{" + " && ".join(f"({part})" for part in kept) + "}") or EVERY_SPAN


def _pipeline(text: str) -> Pipeline | None:
    try:
        root = parse(text).root
    except TraceQLError:
        return None
    if isinstance(root, Measured):
        return root.pipeline
    return root if isinstance(root, Pipeline) else None


def _tokens(text: str) -> list[Token]:
    """The tokens up to where they cannot be told; the last one is of kind END."""
    try:
        return tokens_of(text)
    except ParseError as error:
        try:
            return tokens_of(text[: error.position])
        except ParseError:
            return [Token(TokenKind.END, "", 0)]


def _parts(tokens: list[Token]) -> list[tuple[int, int]] | None:
    """Where each condition between `&&` begins and ends; None when `||` joins some."""
    parts: list[tuple[int, int]] = []
    begin, depth = tokens[0].at, 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0) if token.kind is TokenKind.OPERATOR else 0
        if token.kind is TokenKind.END or (token.text == "}" and depth == 0):
            parts.append((begin, token.at))
            return parts
        if depth == 0 and token.text == "||":
            return None
        if depth == 0 and token.text == "&&":
            parts.append((begin, token.at))
            begin = token.at + 2
    return parts
