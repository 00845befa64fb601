"""Tokens one after the other, and how deep what is made of them may nest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from longpole.analyzer.logql.refusals import ParseError
from longpole.analyzer.logql.tokens import Token

MOST_DEPTH = 60
MOST_JOINS = 100


class TokenStream:
    """The tokens of one text and the place in them."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._place = 0
        self._depth = 0
        self._joins = 0

    @property
    def token(self) -> Token:
        """The one that comes next; the last one is of kind end."""
        return self._tokens[self._place]

    @property
    def following(self) -> Token:
        """The one after it."""
        return self._tokens[min(self._place + 1, len(self._tokens) - 1)]

    def advance(self) -> Token:
        """The next token, which is then done with."""
        token = self.token
        if token.kind != "end":
            self._place += 1
        return token

    def take(self, operator: str) -> bool:
        """Whether the next token is that operator, which is then done with."""
        is_it = self.token.kind == "operator" and self.token.text == operator
        self._place += is_it
        return is_it

    def take_name(self, *names: str) -> str:
        """The next token if it is one of these names in any case, in lower case; else nothing."""
        word = self.token.text.lower() if self.token.kind == "name" else ""
        if word not in names:
            return ""
        self._place += 1
        return word

    def expect(self, operator: str) -> None:
        """Goes past that operator. Raises `ParseError` for anything else."""
        if not self.take(operator):
            raise self.error(f"syntax error: unexpected {self._shown()}, expecting {operator}")

    def name(self) -> str:
        """A name. Raises `ParseError` for anything else."""
        if self.token.kind != "name":
            raise self.unexpected()
        return self.advance().text

    def string(self) -> str:
        """A text in quotes. Raises `ParseError` for anything else."""
        if self.token.kind != "string":
            raise self.error(f"syntax error: unexpected {self._shown()}, expecting STRING")
        return str(self.advance().value)

    def number(self) -> float:
        """A number. Raises `ParseError` for anything else."""
        if self.token.kind != "number":
            raise self.unexpected()
        return float(self.advance().value)

    def duration(self) -> int:
        """A duration in nanoseconds. Raises `ParseError` for anything else."""
        if self.token.kind != "duration":
            raise self.error(f"syntax error: unexpected {self._shown()}, expecting DURATION")
        return int(self.advance().value)

    def unexpected(self) -> ParseError:
        """The refusal of the next token."""
        return self.error(f"syntax error: unexpected {self._shown()}")

    def error(self, message: str) -> ParseError:
        """A refusal at the next token."""
        return ParseError(message, self._text, self.token.at)

    @contextmanager
    def nested(self) -> Iterator[None]:
        """One more level for as long as it lasts. Raises `ParseError` when there are too many."""
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise self.error(f"the query nests deeper than {MOST_DEPTH} levels")
        yield
        self._depth -= 1

    def count_join(self) -> None:
        """One more operator between metrics. Raises `ParseError` when there are too many."""
        self._joins += 1
        if self._joins > MOST_JOINS:
            raise self.error(f"the query joins more than {MOST_JOINS} parts with operators")

    def _shown(self) -> str:
        return self.token.text[:60] or "the end of the query"
