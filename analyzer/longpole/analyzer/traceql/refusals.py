"""Why a TraceQL query is refused: what was wrong, and where in its text."""

from __future__ import annotations

from longpole.model.problem import LongpoleError


class TraceQLError(LongpoleError):
    """The query has no answer; the message is for the person who wrote it."""


class ParseError(TraceQLError):
    """The text is no TraceQL. Prints as `parse error at line 1, col 3: …`, both from 1."""

    def __init__(self, message: str, text: str, at: int) -> None:
        line = text.count("\n", 0, at) + 1
        column = at - (text.rfind("\n", 0, at) + 1) + 1
        super().__init__(f"parse error at line {line}, col {column}: {message}")
        self.position = at


class InvalidQuery(TraceQLError):
    """It parses, and makes no sense: types that do not fit, a constant where a span is meant."""


class TooMuch(TraceQLError):
    """It would read or return more than the limits allow; says which one, and what helps."""
