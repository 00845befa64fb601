"""Why a LogQL query is refused."""

from __future__ import annotations

from longpole.model.problem import LongpoleError


class LogQLError(LongpoleError):
    """The query has no answer; the message is for the person who wrote it."""


class ParseError(LogQLError):
    """The text is no LogQL that is spoken here; line and column count from 1."""

    def __init__(self, message: str, text: str, at: int) -> None:
        line = text.count("\n", 0, at) + 1
        column = at - (text.rfind("\n", 0, at) + 1) + 1
        super().__init__(f"parse error at line {line}, col {column}: {message}")
        self.position = at


class TooMuch(LogQLError):
    """It would read or return more than the limits allow; says which one, and what helps."""
