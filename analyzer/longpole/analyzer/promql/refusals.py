"""Why a query is refused: what was wrong, and where in its text."""

from __future__ import annotations

from longpole.model.problem import LongpoleError


class QueryError(LongpoleError):
    """The text is no valid query. Prints as `1:8: parse error: …`, lines and columns from 1."""

    def __init__(self, message: str, text: str, at: int) -> None:
        line = text.count("\n", 0, at) + 1
        column = at - (text.rfind("\n", 0, at) + 1) + 1
        super().__init__(f"{line}:{column}: parse error: {message}")
        self.position = at


class EvaluationError(LongpoleError):
    """A valid query that has no value for this data."""


class TooMuch(EvaluationError):
    """The query asks for more than the limits allow; says which one."""


class TimedOut(TooMuch):
    """The query ran longer than it may."""
