"""Tokens one after the other, and how deep what is made of them may nest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from longpole.analyzer.traceql.refusals import ParseError
from longpole.analyzer.traceql.tokens import Token, TokenKind

MOST_DEPTH = 100
_T = TypeVar("_T")


class TokenStream:
    """The tokens of one text and the place in them. Nothing is ever put back."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._place = 0
        self._depth = 0
        # How high the tree of an operator is, by the identity of the node: kept alive by it.
        self._heights: dict[int, tuple[object, int]] = {}

    @property
    def token(self) -> Token:
        """The one that comes next; the last one is of kind END."""
        return self._tokens[self._place]

    def next_text(self) -> str:
        """The text of the token after the next one."""
        return self._tokens[min(self._place + 1, len(self._tokens) - 1)].text

    def advance(self) -> Token:
        """The next token, which is then done with."""
        token = self._tokens[self._place]
        if token.kind is not TokenKind.END:
            self._place += 1
        return token

    def take(self, operator: str) -> bool:
        """Whether the next token is that operator, which is then done with."""
        is_it = self.token.kind is TokenKind.OPERATOR and self.token.text == operator
        if is_it:
            self._place += 1
        return is_it

    def take_word(self, word: str) -> bool:
        """The same for a word."""
        is_it = self.token.kind is TokenKind.WORD and self.token.text == word
        if is_it:
            self._place += 1
        return is_it

    def expect(self, operator: str) -> None:
        """Goes past that operator. Raises `ParseError` for anything else."""
        if not self.take(operator):
            raise self.error(f"syntax error: unexpected {_shown(self.token)}, expecting {operator}")

    def unexpected(self) -> ParseError:
        """The refusal of the next token: nothing like it can stand there."""
        token = self.token
        if token.kind is TokenKind.WORD:
            return self.error(f"unknown identifier: {token.text[:60]}")
        return self.error(f"syntax error: unexpected {_shown(token)}")

    def error(self, message: str, token: Token | None = None) -> ParseError:
        """A refusal at a token, else at the next one."""
        return ParseError(message, self._text, (token or self.token).at)

    @contextmanager
    def nested(self) -> Iterator[None]:
        """One more level for as long as it lasts. Raises `ParseError` when there are too many."""
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise self.error(f"the query nests deeper than {MOST_DEPTH} levels")
        yield
        self._depth -= 1

    def deepened(self, node: _T, *inner: object) -> _T:
        """The node, whose tree is one level higher than the highest of `inner`. Operators of equal
        strength nest to the left without a parenthesis, so levels alone do not bound a tree."""
        height = 1 + max((self._heights.get(id(one), (None, 0))[1] for one in inner), default=0)
        if height > MOST_DEPTH:
            raise self.error(f"the query joins more than {MOST_DEPTH} parts with operators")
        self._heights[id(node)] = (node, height)
        return node


def _shown(token: Token) -> str:
    return token.text[:60] if token.text else "the end of the query"
