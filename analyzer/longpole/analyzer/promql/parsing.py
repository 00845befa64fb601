"""Tokens of a PromQL query to an expression, by operator precedence.

Binary operators from the loosest: `or`; `and unless`; comparisons; `+ -`; `* / % atan2`; `^`, which
alone groups to the right. A sign binds like `*`, so that `-2 ^ 2` is -4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from longpole.analyzer.promql.expressions import (
    AGGREGATIONS,
    COMPARISONS,
    SETS,
    WITH_PARAMETER,
    Aggregation,
    Binary,
    Call,
    Expression,
    Matcher,
    Matching,
    MatchOp,
    MatrixSelector,
    Number,
    Paren,
    Shift,
    Subquery,
    Text,
    Unary,
    VectorSelector,
)
from longpole.analyzer.promql.refusals import QueryError
from longpole.analyzer.promql.selectors import matcher_of, selector_matchers
from longpole.analyzer.promql.signatures import SIGNATURES
from longpole.analyzer.promql.tokens import (
    LONGEST_MS,
    Kind,
    Token,
    duration_ms,
    number_of,
    tokens_of,
)

# In expressions inside of expressions.
DEEPEST = 120

_PRECEDENCE = {
    "or": 1, "and": 2, "unless": 2, **dict.fromkeys(COMPARISONS, 3), "+": 4, "-": 4,
    "*": 5, "/": 5, "%": 5, "atan2": 5, "^": 6,
}  # fmt: skip
_SIGN_BINDS = 5
_T = TypeVar("_T")


class Parser:
    """One text while it is read. Every method takes tokens and gives what they say."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens_of(text)
        self._at = 0

    @property
    def next(self) -> Token:
        return self._tokens[self._at]

    @property
    def _last_end(self) -> int:
        return self._tokens[self._at - 1].end if self._at else 0

    def error(self, message: str, at: int | None = None) -> QueryError:
        return QueryError(message, self._text, self.next.start if at is None else at)

    def named(self) -> str:
        token = self.next
        return token.kind.value if token.kind is Kind.END else f"{token.text[:60]!r}"

    def finish(self) -> None:
        """Nothing may follow the expression."""
        if self.next.kind is not Kind.END:
            raise self.error(f"unexpected {self.named()}")

    def _take(self) -> Token:
        token = self.next
        self._at += 1
        return token

    def _is(self, *texts: str) -> bool:
        """Whether a sign or keyword is next; keywords ignore case."""
        token = self.next
        if token.kind is Kind.SIGN:
            return token.text in texts
        return token.kind is Kind.NAME and token.text.lower() in texts

    def _took(self, *texts: str) -> bool:
        if self._is(*texts):
            self._at += 1
            return True
        return False

    def _expect(self, text: str, where: str) -> Token:
        if not self._is(text):
            raise self.error(f"unexpected {self.named()} in {where}, expected {text!r}")
        return self._take()

    def expression(self, least: int, depth: int) -> Expression:
        if depth > DEEPEST:
            raise self.error(f"expressions are nested deeper than {DEEPEST}")
        left = self._signed(depth)
        chained = 0
        while True:
            op = self.next.text.lower() if self.next.kind in (Kind.SIGN, Kind.NAME) else ""
            binds = _PRECEDENCE.get(op, 0)
            if not binds or binds < least or (binds == least and op != "^"):
                return left
            # Each link of a chain is one level of the tree.
            chained += 1
            if depth + chained > DEEPEST:
                raise self.error(f"expressions are nested deeper than {DEEPEST}")
            operator = self._take()
            is_bool = self._took("bool")
            matching = self._matching(op)
            right_binds = binds - 1 if op == "^" else binds
            right = self.expression(right_binds, depth + chained)
            if is_bool and op not in COMPARISONS:
                raise self.error(
                    "bool modifier can only be used on comparison operators", operator.start
                )
            place = (left.at[0], self._last_end)
            left = Binary(op, left, right, is_bool, matching, place)

    def _signed(self, depth: int) -> Expression:
        if not self._is("-", "+"):
            return self._postfixed(depth)
        sign = self._take()
        inner = self.expression(_SIGN_BINDS, depth + 1)
        if isinstance(inner, Number):
            value = -inner.value if sign.text == "-" else inner.value
            return Number(value, (sign.start, inner.at[1]))
        return Unary(sign.text, inner, (sign.start, self._last_end))

    def _matching(self, op: str) -> Matching:
        if not self._is("on", "ignoring"):
            if self._is("group_left", "group_right"):
                raise self.error(f"unexpected {self.named()}, on or ignoring has to come first")
            return Matching()
        is_on = self._take().text.lower() == "on"
        labels = self._label_list("grouping opts")
        if not self._is("group_left", "group_right"):
            return Matching(is_on, labels)
        group = self._take()
        if op in SETS:
            raise self.error(f"no grouping allowed for {op!r} operation", group.start)
        include = self._label_list("grouping opts") if self._is("(") else ()
        if is_on and (both := [name for name in include if name in labels]):
            raise self.error(f"label {both[0]!r} must not occur in ON and GROUP clause at once")
        return Matching(is_on, labels, group.text.lower().removeprefix("group_"), include)

    def _label_list(self, where: str) -> tuple[str, ...]:
        self._expect("(", where)
        return self._separated(")", where, self._label)

    def _label(self) -> str:
        token = self._take()
        if token.kind is Kind.STRING and token.value:
            return token.value
        if token.kind is not Kind.NAME or ":" in token.text:
            self._at -= 1
            raise self.error(f"unexpected {self.named()} in grouping opts, expected label")
        return token.text

    def _separated(self, closing: str, where: str, item: Callable[[], _T]) -> tuple[_T, ...]:
        """Items up to the closing bracket; a comma may follow the last one."""
        found: list[_T] = []
        while not self._took(closing):
            found.append(item())
            if not self._took(","):
                self._expect(closing, where)
                break
        return tuple(found)

    def _postfixed(self, depth: int) -> Expression:
        found = self._primary(depth)
        while True:
            if self._is("["):
                found = self._ranged(found)
            elif self._is("offset", "@"):
                found = self._shifted(found)
            else:
                return found

    def _ranged(self, inner: Expression) -> Expression:
        opening = self._take()
        range_ms = self._duration("range", 1)
        if not self._took(":"):
            self._expect("]", "range")
            if not isinstance(inner, VectorSelector):
                raise self.error(
                    "ranges only allowed for vector selectors, a subquery has a colon: [5m:]",
                    opening.start,
                )
            if inner.shift != Shift():
                raise self.error("offset and @ stand after the range", opening.start)
            return MatrixSelector(inner, range_ms, (inner.at[0], self._last_end))
        step_ms = None if self._is("]") else self._duration("subquery step", 1)
        self._expect("]", "subquery")
        return Subquery(inner, range_ms, step_ms, Shift(), (inner.at[0], self._last_end))

    def _duration(self, what: str, least_ms: int) -> int:
        token = self._take()
        if token.kind is Kind.DURATION:
            value = float(duration_ms(token.text))
        elif token.kind is Kind.NUMBER:
            value = number_of(token.text) * 1000
        else:
            self._at -= 1
            raise self.error(f"unexpected {self.named()} in {what}, expected a duration")
        if not least_ms <= value < LONGEST_MS:
            word = "greater than 0" if value < least_ms else "shorter than 285,000 years"
            raise self.error(f"duration must be {word}", token.start)
        return round(value)

    def _shifted(self, found: Expression) -> Expression:
        modifier = self._take()
        target = found.selector if isinstance(found, MatrixSelector) else found
        if not isinstance(target, VectorSelector | Subquery):
            raise self.error(
                f"{modifier.text} modifier must be preceded by an instant vector selector or range"
                " vector selector or a subquery",
                modifier.start,
            )
        shift = target.shift
        if modifier.text == "@":
            if shift.is_fixed:
                raise self.error("@ <timestamp> may not be set multiple times", modifier.start)
            shift = self._fixed(shift)
        else:
            if shift.offset_ms:
                raise self.error("offset may not be set multiple times", modifier.start)
            sign = self._take().text if self._is("-", "+") else "+"
            offset_ms = self._duration("offset", 0)
            shift = replace(shift, offset_ms=-offset_ms if sign == "-" else offset_ms)
        place = (found.at[0], self._last_end)
        if isinstance(found, MatrixSelector):
            selector = replace(found.selector, shift=shift)
            return replace(found, selector=selector, at=place)
        assert isinstance(found, VectorSelector | Subquery)
        return replace(found, shift=shift, at=place)

    def _fixed(self, shift: Shift) -> Shift:
        if self._is("start", "end"):
            anchor = self._take().text.lower()
            self._expect("(", "@")
            self._expect(")", "@")
            return replace(shift, anchor=anchor)
        sign = -1.0 if self._is("-") else 1.0
        if self._is("-", "+"):
            self._take()
        token = self._take()
        if token.kind is Kind.DURATION:
            seconds = duration_ms(token.text) / 1000
        elif token.kind is Kind.NUMBER:
            seconds = number_of(token.text)
        else:
            self._at -= 1
            raise self.error(f"unexpected {self.named()} in @, expected timestamp")
        if not seconds * 1000 < LONGEST_MS:
            raise self.error("timestamp out of bounds for @ modifier", token.start)
        return replace(shift, fixed_ms=round(sign * seconds * 1000))

    def _primary(self, depth: int) -> Expression:
        token = self.next
        if token.kind is Kind.NUMBER:
            self._take()
            return Number(number_of(token.text), (token.start, token.end))
        if token.kind is Kind.DURATION:
            self._take()
            return Number(duration_ms(token.text) / 1000, (token.start, token.end))
        if token.kind is Kind.STRING:
            self._take()
            return Text(token.value, (token.start, token.end))
        if self._took("("):
            inner = self.expression(0, depth + 1)
            self._expect(")", "parentheses")
            return Paren(inner, (token.start, self._last_end))
        if token.text == "{":
            return self._selector("", token.start)
        if token.kind is Kind.NAME:
            return self._named_one(depth)
        raise self.error(f"unexpected {self.named()}")

    def _named_one(self, depth: int) -> Expression:
        token = self._take()
        word = token.text.lower()
        if word in ("inf", "nan") and not self._is("{"):
            return Number(float(word), (token.start, token.end))
        if word in AGGREGATIONS and self._is("(", "by", "without"):
            return self._aggregation(word, token, depth)
        if self._is("("):
            return self._call(token, depth)
        if word in _PRECEDENCE:
            self._at -= 1
            raise self.error(f"unexpected {self.named()}")
        return self._selector(token.text, token.start)

    def _selector(self, name: str, start: int) -> VectorSelector:
        given: list[Matcher] = []
        names = [name] if name else []
        if self._took("{"):
            for matcher in self._separated("}", "label matching", self._matcher):
                if isinstance(matcher, str):
                    names.append(matcher)
                else:
                    given.append(matcher)
        at = (start, self._last_end)
        matchers = selector_matchers(names, given, lambda message: self.error(message, start))
        return VectorSelector(matchers, Shift(), at)

    def _matcher(self) -> Matcher | str:
        """A matcher; a quoted name alone is the name of the metric."""
        token = self._take()
        is_quoted = token.kind is Kind.STRING
        if is_quoted and self._is(",", "}"):
            return token.value
        if not is_quoted and (token.kind is not Kind.NAME or ":" in token.text):
            self._at -= 1
            raise self.error(f"unexpected {self.named()} in label matching, expected label name")
        if not self._is("=", "!=", "=~", "!~"):
            raise self.error(
                f"unexpected {self.named()} in label matching, expected one of = != =~ !~"
            )
        op = MatchOp(self._take().text)
        value = self._take()
        if value.kind is not Kind.STRING:
            self._at -= 1
            raise self.error(f"unexpected {self.named()} in label matching, expected string")
        label = token.value if is_quoted else token.text
        return matcher_of(label, op, value.value, lambda message: self.error(message, value.start))

    def _aggregation(self, op: str, token: Token, depth: int) -> Expression:
        is_without = False
        labels: tuple[str, ...] = ()
        is_grouped = self._is("by", "without")
        if is_grouped:
            is_without = self._take().text.lower() == "without"
            labels = self._label_list("aggregation")
        arguments = self._arguments(depth)
        if self._is("by", "without"):
            if is_grouped:
                raise self.error("aggregations are grouped once")
            is_without = self._take().text.lower() == "without"
            labels = self._label_list("aggregation")
        wanted = 2 if op in WITH_PARAMETER else 1
        if len(arguments) != wanted:
            raise self.error(
                f"wrong number of arguments for aggregate expression provided, expected {wanted},"
                f" got {len(arguments)}",
                token.start,
            )
        parameter = arguments[0] if wanted == 2 else None
        place = (token.start, self._last_end)
        return Aggregation(op, arguments[-1], parameter, is_without, labels, place)

    def _arguments(self, depth: int) -> tuple[Expression, ...]:
        self._expect("(", "function call")
        if self._took(")"):
            return ()
        found = [self.expression(0, depth + 1)]
        while self._took(","):
            if self._is(")"):
                raise self.error("trailing commas not allowed in function call args")
            found.append(self.expression(0, depth + 1))
        self._expect(")", "function call")
        return tuple(found)

    def _call(self, token: Token, depth: int) -> Expression:
        if token.text not in SIGNATURES:
            raise self.error(f"unknown function with name {token.text[:80]!r}", token.start)
        arguments = self._arguments(depth)
        return Call(token.text, arguments, (token.start, self._last_end))
